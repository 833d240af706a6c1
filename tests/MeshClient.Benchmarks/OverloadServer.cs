using MeshClient.Core.Overload;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Benchmarks;

/// <summary>
/// The process that is overloaded: an instance of orders with everything the mesh puts before an app, and behind it a resource
/// that serves a fixed number at a time, as a database with a pool of connections does. Ends when its input does.
/// </summary>
internal static class OverloadServer
{
    /// <summary>How many the resource serves at a time.</summary>
    public const int Places = 16;

    /// <summary>How long each takes.</summary>
    public static readonly TimeSpan WorkTime = TimeSpan.FromMilliseconds(20);

    public static async Task<int> RunAsync(string registry, string limit)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = BenchmarkMesh.Orders.Value,
            ["Mesh:ControlPlane:Address"] = registry,
            ["Mesh:Inbound:Address"] = "127.0.0.1:0",
            ["Mesh:Registration:DrainDelay"] = "00:00:00",
        });
        builder.Services.AddMeshInbound(inbound =>
        {
            if (Enum.TryParse<LimitAlgorithm>(limit, out var algorithm))
            {
                inbound.Overload.Adaptive = new() { Enabled = true, Algorithm = algorithm };
            }
        });
        await using var app = builder.Build();
        using var places = new SemaphoreSlim(Places);
        app.MapGet("/", async (HttpContext context) =>
        {
            // Who has gone need not be waited for; work that has begun is done, for a resource does not know who has gone.
            await places.WaitAsync(context.RequestAborted);
            try
            {
                await Task.Delay(WorkTime, TimeProvider.System, CancellationToken.None);
            }
            finally
            {
                places.Release();
            }

            return "done";
        });
        await app.StartAsync();
        await Console.In.ReadToEndAsync();
        await app.StopAsync();
        return 0;
    }
}
