using System.Globalization;
using MeshClient.AspNetCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Benchmarks.Sidecars;

/// <summary>
/// The called service, a process of its own: once plain, for a sidecar that stands before it, and once in the mesh, with its
/// own mutual TLS and the intentions checked for every request. Ends when its input does.
/// </summary>
internal static class SidecarServer
{
    public static async Task<int> RunAsync(string registry, string plainPort, string meshPort)
    {
        await using var plain = Build(builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(
            int.Parse(plainPort, CultureInfo.InvariantCulture), listen => listen.Protocols = HttpProtocols.Http1)));
        await plain.StartAsync();
        await using var mesh = Build(builder =>
        {
            builder.Configuration["Mesh:Service"] = "orders";
            builder.Configuration["Mesh:ControlPlane:Address"] = registry;
            builder.Configuration["Mesh:Inbound:Address"] = $"127.0.0.1:{meshPort}";
            builder.Configuration["Mesh:Registration:DrainDelay"] = "00:00:00";
            builder.Services.AddMeshInbound();
        });
        await mesh.StartAsync();
        await Console.Out.WriteLineAsync("ready");
        await Console.In.ReadToEndAsync();
        await mesh.StopAsync();
        return 0;
    }

    private static WebApplication Build(Action<WebApplicationBuilder> configure)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        configure(builder);
        var app = builder.Build();
        var bodies = new Dictionary<int, byte[]> { [128] = new byte[128], [16384] = new byte[16384] };
        app.MapGet("/{bytes:int}", async (int bytes, HttpContext context) =>
        {
            var body = bodies[bytes];
            context.Response.ContentLength = body.Length;
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        });
        return app;
    }
}
