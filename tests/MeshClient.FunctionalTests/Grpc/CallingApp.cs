using System.Diagnostics.Metrics;
using MeshClient.Configuration;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>
/// An app, the service <c>web</c>, with <c>AddMeshClient()</c>, and the gRPC servers it calls, instances of <c>orders</c>.
/// </summary>
internal sealed class CallingApp : IAsyncDisposable
{
    private const string Service = "orders";
    private readonly InMemoryControlPlane _controlPlane = new();
    private readonly ServiceProvider _services;
    private readonly MeterListener _meters = new();
    private readonly PeerFolder _folder;
    private readonly List<PeerProcess> _peers = [];
    private long _active;
    private long _retries;

    private CallingApp(Action<MeshOptions>? configure)
    {
        _folder = new PeerFolder(_controlPlane.Authority, Service);
        var services = new ServiceCollection();
        services.AddSingleton<IInstanceSource>(_controlPlane);
        services.AddSingleton<ILeafCertificateSource>(_controlPlane);
        services.AddSingleton<ITrustBundleSource>(_controlPlane);
        services.AddMeshClient(mesh =>
        {
            mesh.Service = "web";
            // Long for what has just begun to run and is not to be called in vain.
            (mesh.Defaults.ConnectTimeout, mesh.Defaults.AttemptTimeout) = (TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(15));
            configure?.Invoke(mesh);
        });
        _services = services.BuildServiceProvider();
        Client = _services.GetRequiredService<IHttpClientFactory>().CreateClient();
        Listen(_services.GetRequiredService<IMeterFactory>());
    }

    public HttpClient Client { get; }

    /// <summary>The instances, in the order they were started.</summary>
    public IReadOnlyList<PeerProcess> Peers => _peers;

    public PeerProcess Peer => Assert.Single(_peers);

    /// <summary>Whom the app proves to be.</summary>
    public SpiffeId Id => _controlPlane.Authority.IdOf(ServiceName.Parse("web"));

    /// <summary>How many calls are in flight, by the app's own figures.</summary>
    public long ActiveCalls
    {
        get
        {
            _active = 0;
            _meters.RecordObservableInstruments();
            return _active;
        }
    }

    /// <summary>How many attempts were made after a first.</summary>
    public long Retries => Interlocked.Read(ref _retries);

    /// <summary>Starts the app and instances for it to call.</summary>
    public static async Task<CallingApp> StartAsync(PeerRuntime runtime, int instances = 1, Action<MeshOptions>? configure = null)
    {
        var app = new CallingApp(configure);
        try
        {
            for (var i = 0; i < instances; i++)
            {
                app._peers.Add(PeerProcess.Start(runtime.Program("server", app._folder.Path)));
            }

            foreach (var peer in app._peers)
            {
                var port = int.Parse(await peer.HearAsync("port"), System.Globalization.CultureInfo.InvariantCulture);
                app._controlPlane.AddInstance(ServiceName.Parse(Service), "127.0.0.1", port);
            }

            return app;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var peer in _peers)
        {
            await peer.DisposeAsync();
        }

        _meters.Dispose();
        Client.Dispose();
        await _services.DisposeAsync();
        _controlPlane.Dispose();
        _folder.Dispose();
    }

    private void Listen(IMeterFactory factory)
    {
        _meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == factory && instrument.Name is "meshclient.calls.active" or "meshclient.retries")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _meters.SetMeasurementEventCallback<int>((_, value, _, _) => _active += value);
        _meters.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _retries, value));
        _meters.Start();
    }
}
