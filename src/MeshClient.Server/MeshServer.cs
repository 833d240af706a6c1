using MeshClient.Server.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Server;

/// <summary>
/// A registry and certificate authority with a listener of its own, for any process: start it, give its
/// <see cref="Address"/> to the members of the mesh, stop it. In a host use <c>AddMeshServer()</c>, which does the same.
/// </summary>
public sealed class MeshServer : IMeshServer, IAsyncDisposable
{
    private readonly ServerCore _core;
    private readonly ServerListener _listener;
    private bool _stopped;

    /// <summary>Makes a server; loads what its data directory holds. It listens once it is started.</summary>
    /// <param name="options">How it works. Not read again afterwards.</param>
    /// <param name="logs">Where it logs; null: nowhere.</param>
    /// <param name="time">Its clock; null: the system's.</param>
    /// <exception cref="ArgumentException">The options are wrong; the message names every error.</exception>
    /// <exception cref="InvalidDataException">What the data directory holds cannot be used; the message says what to do.</exception>
    /// <exception cref="IOException">The data directory cannot be used, or another server uses it.</exception>
    public MeshServer(MeshServerOptions options, ILoggerFactory? logs = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var errors = MeshServerOptionsValidator.Find(options).ToList();
        if (errors.Count > 0)
        {
            throw new ArgumentException(string.Join(Environment.NewLine, errors), nameof(options));
        }

        logs ??= NullLoggerFactory.Instance;
        _core = new ServerCore(options, time ?? TimeProvider.System, logs);
        _listener = new ServerListener(_core, logs);
    }

    /// <inheritdoc/>
    public Uri Address => _listener.Address;

    /// <inheritdoc/>
    public Uri? HttpsAddress => _listener.HttpsAddress;

    internal ServerCore Core => _core;

    /// <summary>Begins to listen. A server starts once.</summary>
    /// <exception cref="IOException">The address cannot be bound.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_stopped, this);
        return _listener.StartAsync(cancellationToken);
    }

    /// <summary>Answers the parked queries, ends the listener and releases the data directory. Repeats do nothing.</summary>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        try
        {
            await _listener.StopAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _core.Dispose();
        }
    }

    /// <summary>Stops the server.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None).ConfigureAwait(false);
}
