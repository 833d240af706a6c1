using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MeshClient.FunctionalTests.Chaos;
using MeshClient.FunctionalTests.Grpc;
using MeshClient.Server;
using MeshClient.TestSupport;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MeshClient.FunctionalTests.Restart;

/// <summary>A registry that remembers, orders as a process, web and ops that call it; each of the three with a state file.</summary>
internal sealed class RestartMesh : IAsyncDisposable
{
    private static readonly string[] Callers = ["web", "ops"];
    private static readonly string Key = Convert.ToBase64String(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("mesh-restart-");
    private readonly Dictionary<string, IHost> _callers = [];
    private readonly int _port;
    private readonly Uri _registryAddress;
    private MeshServer? _registry;
    private PeerProcess? _service;

    private RestartMesh()
    {
        var ports = FreePorts.Find(2);
        _port = ports[0];
        _registryAddress = new Uri($"http://127.0.0.1:{ports[1]}");
    }

    public static async Task<RestartMesh> StartAsync()
    {
        var mesh = new RestartMesh();
        await mesh.StartRegistryAsync();
        return mesh;
    }

    public async Task StartRegistryAsync()
    {
        _registry = new MeshServer(new MeshServerOptions
        {
            ListenAddress = _registryAddress,
            DataDirectory = Path.Combine(_directory.FullName, "registry"),
        });
        await _registry.StartAsync(Waiting.Cancellation);
    }

    public async Task StopRegistryAsync()
    {
        await _registry!.DisposeAsync();
        _registry = null;
    }

    public async Task SetIntentionAsync(string source, string action)
    {
        using var client = new HttpClient();
        using var answer = await client.PutAsJsonAsync(
            new Uri(_registryAddress, $"/v1/connect/intentions/exact?source={source}&destination=orders"),
            new JsonObject { ["Action"] = action },
            Waiting.Cancellation);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Waiting.Cancellation));
    }

    public async Task<int> CountRegisteredAsync()
    {
        using var client = new HttpClient();
        return (await client.GetFromJsonAsync<JsonArray>(new Uri(_registryAddress, "/v1/health/service/orders?passing"), Waiting.Cancellation))!.Count;
    }

    /// <summary>Starts the process of orders.</summary>
    /// <returns>Its id, which it answers with.</returns>
    public async Task<int> StartServiceAsync()
    {
        var settings = Settings("orders");
        settings["Mesh:Inbound:Address"] = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_port}");
        _service = ChaosService.Start(settings);
        await _service.HearAsync("ready");
        return _service.Id;
    }

    public async Task StopServiceAsync()
    {
        await _service!.DisposeAsync();
        _service = null;
    }

    public async Task StartCallersAsync()
    {
        foreach (var caller in Callers)
        {
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
            builder.Configuration.AddInMemoryCollection(Settings(caller));
            builder.Services.AddMeshClient();
            builder.Services.AddHttpClient("orders", client => client.BaseAddress = new Uri("https://orders"));
            _callers[caller] = builder.Build();
            await _callers[caller].StartAsync(Waiting.Cancellation);
        }
    }

    public async Task StopCallersAsync()
    {
        foreach (var host in _callers.Values)
        {
            await host.StopAsync(Waiting.Cancellation);
            await ((IAsyncDisposable)host).DisposeAsync();
        }

        _callers.Clear();
    }

    public async Task<(HttpStatusCode Status, string Body)> CallAsync(string caller)
    {
        var client = _callers[caller].Services.GetRequiredService<IHttpClientFactory>().CreateClient("orders");
        using var answer = await client.GetAsync(new Uri("/", UriKind.Relative), Waiting.Cancellation);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(Waiting.Cancellation));
    }

    public async ValueTask DisposeAsync()
    {
        await StopCallersAsync();
        if (_service is not null)
        {
            await _service.DisposeAsync();
        }

        if (_registry is not null)
        {
            await _registry.DisposeAsync();
        }

        _directory.Delete(recursive: true);
    }

    private Dictionary<string, string?> Settings(string service) => new()
    {
        ["Mesh:Service"] = service,
        ["Mesh:ControlPlane:Address"] = _registryAddress.ToString(),
        ["Mesh:StateFile:Path"] = Path.Combine(_directory.FullName, $"{service}.state"),
        ["Mesh:StateFile:Key"] = Key,
        ["Mesh:StateFile:IncludeCertificate"] = "true",
    };
}
