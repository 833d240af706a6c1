using MeshClient.FunctionalTests.Grpc;
using MeshClient.Server;
using MeshClient.TestSupport;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MeshClient.FunctionalTests.Chaos;

/// <summary>A control plane, three instances of orders as processes of their own, and a client in this one, all over mutual TLS.</summary>
internal sealed class ChaosMesh : IAsyncDisposable
{
    public const int Instances = 3;

    private readonly MeshServer _server = new(new MeshServerOptions { ListenAddress = new Uri("http://127.0.0.1:0") });
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly string _orders = $"orders-{Guid.NewGuid():N}"[..15];
    private IHost? _host;

    private ChaosMesh()
    {
        Log = new AttemptLog(_orders);
    }

    public AttemptLog Log { get; }

    /// <summary>The processes, with the port each is called at.</summary>
    public List<(PeerProcess Process, Relay? Relay, int Port)> Services { get; } = [];

    public HttpClient Client => _host!.Services.GetRequiredService<IHttpClientFactory>().CreateClient("orders");

    /// <summary>Starts all, and waits until each instance has answered.</summary>
    /// <param name="settings">What the client is configured with, below <c>Mesh:Defaults</c>.</param>
    /// <param name="withRelay">Whether the first instance is reached through a relay.</param>
    public static async Task<ChaosMesh> StartAsync(Dictionary<string, string?> settings, bool withRelay)
    {
        var mesh = new ChaosMesh();
        try
        {
            await mesh._server.StartAsync(Waiting.Cancellation);
            for (var i = 0; i < Instances; i++)
            {
                await mesh.StartServiceAsync(withRelay && i == 0);
            }

            await mesh.StartClientAsync(settings);
            var answered = new HashSet<string>();
            await MeshHosts.WaitUntilAsync(async () =>
            {
                using var response = await mesh.Client.GetAsync(new Uri("/", UriKind.Relative), Waiting.Cancellation);
                answered.Add(await response.Content.ReadAsStringAsync(Waiting.Cancellation));
                return answered.Count == Instances;
            });
            return mesh;
        }
        catch
        {
            await mesh.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Log.Dispose();
        if (_host is not null)
        {
            await ((IAsyncDisposable)_host).DisposeAsync();
        }

        foreach (var one in Enumerable.Reverse(_owned))
        {
            await one.DisposeAsync();
        }

        await _server.DisposeAsync();
    }

    private async Task StartServiceAsync(bool withRelay)
    {
        var port = FreePorts.Find(1)[0];
        var relay = withRelay ? new Relay(port) : null;
        if (relay is not null)
        {
            _owned.Add(relay);
        }

        var process = ChaosService.Start(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = _orders,
            ["Mesh:ControlPlane:Address"] = _server.Address!.ToString(),
            ["Mesh:Inbound:Address"] = $"127.0.0.1:{port}",
            ["Mesh:Inbound:DefaultAction"] = "Allow",
            ["Mesh:Registration:Address"] = "127.0.0.1",
            ["Mesh:Registration:Port"] = $"{relay?.Port ?? port}",
            // So that the registry is no help: what is shown is what the calls themselves find out.
            ["Mesh:Registration:TimeToLive"] = "00:10:00",
        });
        _owned.Add(process);
        await process.HearAsync("ready");
        Services.Add((process, relay, relay?.Port ?? port));
    }

    private async Task StartClientAsync(Dictionary<string, string?> settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(settings.ToDictionary(pair => $"Mesh:Defaults:{pair.Key}", pair => pair.Value));
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Service"] = $"web-{Guid.NewGuid():N}"[..12],
            ["Mesh:ControlPlane:Address"] = _server.Address!.ToString(),
        });
        builder.Services.AddMeshClient();
        builder.Services.AddHttpClient("orders", client => client.BaseAddress = new Uri($"https://{_orders}"));
        _host = builder.Build();
        await _host.StartAsync(Waiting.Cancellation);
    }
}
