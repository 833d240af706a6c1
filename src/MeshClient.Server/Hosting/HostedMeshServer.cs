using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Server.Hosting;

/// <summary>
/// The server inside a host. It listens by itself unless the app has mapped its endpoints and set no address, and it stops
/// when the host begins to, so that parked queries do not hold the host up.
/// </summary>
internal sealed class HostedMeshServer : IMeshServer, IHostedService, IDisposable
{
    private readonly ServerCore _core;
    private readonly ServerListener _listener;
    private readonly CancellationTokenRegistration _stopping;

    public HostedMeshServer(
        IOptions<MeshServerOptions> options, ILoggerFactory logs, IHostApplicationLifetime lifetime, TimeProvider? time = null)
    {
        _core = new ServerCore(options.Value, time ?? TimeProvider.System, logs);
        _listener = new ServerListener(_core, logs);
        _stopping = lifetime.ApplicationStopping.Register(_core.BeginStop);
    }

    public Uri Address => _listener.Address;

    public ServerCore Core => _core;

    public Task StartAsync(CancellationToken cancellationToken) =>
        _core.IsMapped && _core.Options.ListenAddress is null ? Task.CompletedTask : _listener.StartAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => _listener.StopAsync(cancellationToken);

    public void Dispose()
    {
        _stopping.Dispose();
        _core.Dispose();
    }
}
