using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Discovery;
using MeshClient.Identity;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Transport;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Support;

/// <summary>
/// An app that calls, with <c>AddMeshClient()</c> and nothing replaced but the control plane, and the servers it calls. The app
/// is the service <c>web</c>.
/// </summary>
internal sealed class MeshTestEnvironment : IAsyncDisposable
{
    public const string Self = "web";

    private readonly List<IAsyncDisposable> _peers = [];

    public MeshTestEnvironment(
        Action<MeshOptions>? options = null,
        IEnumerable<KeyValuePair<string, string?>>? configuration = null,
        Action<IServiceCollection>? services = null,
        bool withControlPlane = true)
    {
        ControlPlane = new InMemoryControlPlane();
        var collection = new ServiceCollection();
        collection.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(configuration ?? []).Build());
        collection.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(Logs));
        if (withControlPlane)
        {
            collection.AddSingleton<Core.ControlPlane.IInstanceSource>(ControlPlane);
            collection.AddSingleton<Core.ControlPlane.ILeafCertificateSource>(ControlPlane);
            collection.AddSingleton<Core.ControlPlane.ITrustBundleSource>(ControlPlane);
        }

        collection.AddMeshClient(mesh =>
        {
            mesh.Service = Self;
            mesh.RotationSpread = TimeSpan.Zero;
            // A handshake takes longer than by default while other tests use the processors; but less than an attempt may.
            mesh.Defaults.ConnectTimeout ??= TimeSpan.FromSeconds(4);
            options?.Invoke(mesh);
        });
        services?.Invoke(collection);
        Services = collection.BuildServiceProvider();
    }

    public InMemoryControlPlane ControlPlane { get; }

    public TestCertificateAuthority Authority => ControlPlane.Authority;

    public ServiceProvider Services { get; }

    public LogCollector Logs { get; } = new();

    public MeshHandlerFactory Handlers => Services.GetRequiredService<MeshHandlerFactory>();

    public DestinationTable Destinations => Services.GetRequiredService<DestinationTable>();

    public TransportFactory Transports => Services.GetRequiredService<TransportFactory>();

    public MeshIdentity Identity => Services.GetRequiredService<MeshIdentity>();

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A client of the factory; the default one without a name.</summary>
    public HttpClient Client(string name = "") => Services.GetRequiredService<IHttpClientFactory>().CreateClient(name);

    /// <summary>What is counted of a service that has been called.</summary>
    public ServiceState State(string service) => Destinations.Services.Single(state => state.Service.Value == service);

    /// <summary>The state of an instance that has been called.</summary>
    public InstanceState Instance(string service, int port) =>
        State(service).GetDestination(new DestinationName(ServiceName.Parse(service), null, SchemePreference.Http))
            .Callable.ToArray().Single(instance => instance.Endpoint.Port == port);

    /// <summary>Starts a mesh instance on Kestrel and lists it.</summary>
    public async Task<HttpPeer> StartAsync(string service, RequestDelegate handler, HttpProtocols? protocols = null)
    {
        var peer = Own(await HttpPeer.StartAsync(handler, PeerTls.For(Authority, service), protocols));
        ControlPlane.AddInstance(ServiceName.Parse(service), "127.0.0.1", peer.Port);
        return peer;
    }

    /// <summary>Starts a mesh instance that does to its connections what it is told, and lists it.</summary>
    public RawPeer StartRaw(string service, Func<Stream, int, CancellationToken, Task> serve, PeerTls? tls = null, PeerEnd end = default)
    {
        var peer = Own(RawPeer.Start(serve, tls ?? PeerTls.For(Authority, service), end: end));
        ControlPlane.AddInstance(ServiceName.Parse(service), "127.0.0.1", peer.Port);
        return peer;
    }

    /// <summary>Lists an instance at an address.</summary>
    public ServiceInstance List(string service, int port, InstanceSecurity security = InstanceSecurity.Mesh) =>
        ControlPlane.AddInstance(ServiceName.Parse(service), "127.0.0.1", port, security);

    /// <summary>Ends a server with the environment.</summary>
    public T Own<T>(T peer)
        where T : IAsyncDisposable
    {
        _peers.Add(peer);
        return peer;
    }

    /// <summary>Sets the health of an instance of a service that has been called, and waits until the caller has taken it in.</summary>
    public async Task SetHealthAsync(string service, InstanceId instance, InstanceHealth health)
    {
        ControlPlane.SetHealth(instance, health);
        await TakenInAsync(service);
    }

    /// <summary>Waits until the caller goes by what is listed of a service that has been called. Of all it keeps, the snapshot is changed last.</summary>
    public Task TakenInAsync(string service) =>
        Eventually.HoldsAsync(() => State(service).Snapshot!.Instances.Equals(ControlPlane.Instances(ServiceName.Parse(service)).Instances));

    /// <summary>Lets all instances of a service leave in order: critical first, then gone, so that nobody holds on to them.</summary>
    public async Task LoseAllInstancesAsync(string service)
    {
        var name = ServiceName.Parse(service);
        foreach (var instance in ControlPlane.Instances(name).Instances.Select(one => one.Id).ToList())
        {
            await SetHealthAsync(service, instance, InstanceHealth.Critical);
        }

        ControlPlane.SetInstances(name);
        await Eventually.HoldsAsync(() => State(service).Snapshot!.Instances.Count == 0);
    }

    public async ValueTask DisposeAsync()
    {
        await Services.DisposeAsync();
        foreach (var peer in _peers)
        {
            await peer.DisposeAsync();
        }

        ControlPlane.Dispose();
    }
}
