using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MeshClient.Server;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MeshClient.FunctionalTests.Databases;

/// <summary>
/// A registry, processes that stand in front of copies of one database, and an app with a forwarder to it: driver, local port,
/// mutual TLS, local port, database.
/// </summary>
internal sealed class DatabaseMesh : IAsyncDisposable
{
    public const string App = "app";

    private readonly MeshServer _registry = new(new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") });
    private readonly List<IAsyncDisposable> _hosts = [];
    private readonly HttpClient _operator = new();
    private readonly string _service;

    private DatabaseMesh(string service) => _service = service;

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Where the app reaches the database.</summary>
    public int LocalPort { get; private set; }

    /// <summary>Starts all of it, and waits until the registry lists every copy.</summary>
    /// <param name="service">What the database is called.</param>
    /// <param name="ports">Where its copies listen.</param>
    public static async Task<DatabaseMesh> StartAsync(string service, params int[] ports)
    {
        var mesh = new DatabaseMesh(service);
        try
        {
            await mesh._registry.StartAsync(Cancellation);
            mesh._operator.BaseAddress = mesh._registry.Address;
            foreach (var port in ports)
            {
                await mesh.ExposeAsync(port);
            }

            await mesh.WaitForHealthyAsync(ports.Length);
            await mesh.StartAppAsync();
            return mesh;
        }
        catch
        {
            await mesh.DisposeAsync();
            throw;
        }
    }

    public Task AllowAsync() => SetIntentionAsync("allow");

    public Task DenyAsync() => SetIntentionAsync("deny");

    public Task WaitForHealthyAsync(int count) => MeshHosts.WaitUntilAsync(async () =>
        (await _operator.GetFromJsonAsync<JsonArray>($"/v1/health/service/{_service}?passing", Cancellation))!.Count == count);

    public async ValueTask DisposeAsync()
    {
        foreach (var host in Enumerable.Reverse(_hosts))
        {
            await host.DisposeAsync();
        }

        _operator.Dispose();
        await _registry.DisposeAsync();
    }

    private async Task ExposeAsync(int port)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        Configure(builder.Configuration, _service);
        builder.Configuration["Mesh:Inbound:Address"] = "127.0.0.1:0";
        builder.Configuration["Mesh:Registration:DrainDelay"] = "00:00:00";
        builder.Configuration["Mesh:Registration:DrainTimeout"] = "00:00:00.1";
        builder.Services.AddMeshExpose($"127.0.0.1:{port}", options => options.CheckInterval = TimeSpan.FromMilliseconds(200));
        var app = builder.Build();
        _hosts.Add(app);
        await app.StartAsync(Cancellation);
    }

    private async Task StartAppAsync()
    {
        LocalPort = FreePorts.Find(1)[0];
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        Configure(builder.Configuration, App);
        builder.Services.AddMeshForwarder(_service, string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{LocalPort}"));
        var host = builder.Build();
        _hosts.Add((IAsyncDisposable)host);
        await host.StartAsync(Cancellation);
    }

    private void Configure(IConfigurationManager configuration, string service) => configuration.AddInMemoryCollection(new Dictionary<string, string?>
    {
        ["Mesh:Service"] = service,
        ["Mesh:ControlPlane:Address"] = _registry.Address!.ToString(),
        ["Mesh:Defaults:ConnectTimeout"] = "00:00:10",
        // As long as one failed connection keeps others away.
        ["Mesh:Defaults:Health:BaseEjection"] = "00:00:01.500",
    });

    private async Task SetIntentionAsync(string action)
    {
        using var answer = await _operator.PutAsJsonAsync(
            $"/v1/connect/intentions/exact?source={App}&destination={_service}", new { Action = action }, Cancellation);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancellation));
    }
}
