using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Server.Hosting;

/// <summary>
/// The server inside a host. It listens by itself unless the app has mapped its endpoints and set no address, and it stops
/// when the host begins to, so that parked queries do not hold the host up.
/// </summary>
/// <remarks>
/// Nothing is read or opened before the start: a host makes all its services first and checks all options then, so whatever
/// failed here earlier would hide the errors of every other section, and hold a data directory for an app that does not start.
/// </remarks>
internal sealed class HostedMeshServer : IMeshServer, IHostedService, IDisposable
{
    private readonly Lazy<ServerCore> _core;
    private readonly ILoggerFactory _logs;
    private readonly CancellationTokenRegistration _stopping;
    private volatile ServerListener? _listener;
    private volatile bool _disposed;

    public HostedMeshServer(
        IOptions<MeshServerOptions> options, ILoggerFactory logs, IHostApplicationLifetime lifetime, TimeProvider? time = null)
    {
        _logs = logs;
        _core = new Lazy<ServerCore>(() =>
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new ServerCore(options.Value, time ?? TimeProvider.System, logs);
        });
        _stopping = lifetime.ApplicationStopping.Register(BeginStop);
    }

    public Uri Address => _listener is { } listener ? listener.Address : throw ServerListener.NotListening();

    public Uri? HttpsAddress => _listener?.HttpsAddress;

    /// <summary>The server itself; the first use makes it.</summary>
    /// <exception cref="OptionsValidationException">The options are wrong.</exception>
    /// <exception cref="InvalidDataException">What the data directory holds cannot be used.</exception>
    /// <exception cref="IOException">The data directory cannot be used, or another server uses it.</exception>
    public ServerCore Core => _core.Value;

    /// <summary>Set once an app has mapped the endpoints, so that no listener of the server's own is needed.</summary>
    public bool IsMapped { get; set; }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var core = Core;
        if (!IsMapped || core.Options.ListenAddress is not null || core.Options.Https.ListenAddress is not null)
        {
            _listener = new ServerListener(core, _logs);
            await _listener.StartAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => _listener?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    public void Dispose()
    {
        _disposed = true;
        _stopping.Dispose();
        if (_core.IsValueCreated)
        {
            _core.Value.Dispose();
        }
    }

    private void BeginStop()
    {
        if (_core.IsValueCreated)
        {
            _core.Value.BeginStop();
        }
    }
}
