using System.Net.Security;
using MeshClient.Core.Discovery;
using MeshClient.Discovery;

namespace MeshClient.Transport;

/// <summary>
/// The connections to one endpoint of one instance. Made on first use. A connection cannot change its certificate, so after a
/// renewal the whole pool is replaced: new calls open new connections, those in flight end on the old ones, which are closed
/// when the last has. The same happens late in the life of a certificate one of its connections was made with.
/// </summary>
internal sealed class InstanceTransport : IDisposable
{
    private readonly TransportFactory _factory;
    private readonly ServiceInstance _instance;
    private readonly InstanceEndpoint _endpoint;
    private readonly TimeSpan _connectTimeout;
    private readonly Lock _lock = new();
    private readonly InstanceVitals _vitals;
    private bool _disposed;

    /// <param name="factory">Makes its pools.</param>
    /// <param name="instance">The instance.</param>
    /// <param name="endpoint">Which of its endpoints.</param>
    /// <param name="connectTimeout">How long a connection may take to be made.</param>
    /// <param name="vitals">Where calls find the pool.</param>
    public InstanceTransport(
        TransportFactory factory, ServiceInstance instance, InstanceEndpoint endpoint, TimeSpan connectTimeout, InstanceVitals vitals)
    {
        _vitals = vitals;
        _factory = factory;
        _instance = instance;
        _endpoint = endpoint;
        _connectTimeout = connectTimeout;
    }

    /// <summary>Whether its connections are made with this process's certificate.</summary>
    public bool UsesIdentity => _endpoint.Security == InstanceSecurity.Mesh;

    /// <summary>The pool to send the next call on. Release it when that call's answer has been read to the end.</summary>
    public ConnectionPool Acquire()
    {
        while (true)
        {
            if (_vitals.TryAcquirePool() is { } pool)
            {
                return pool;
            }

            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (_vitals.Pool is null)
                {
                    _vitals.Pool = _factory.CreatePool(_instance, _endpoint, _connectTimeout, () => _vitals.Load.InFlight, Renew);
                    _factory.Track(this);
                }
            }
        }
    }

    /// <summary>Opens a connection of its own, as those of the pool are opened.</summary>
    public ValueTask<Stream> ConnectAsync(CancellationToken cancellationToken) =>
        _factory.CreateConnector(_instance, _endpoint, _connectTimeout, [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11])
            .ConnectAsync(cancellationToken);

    /// <summary>Opens a connection of its own for any protocol.</summary>
    public ValueTask<OpenedConnection> DialAsync(CancellationToken cancellationToken) =>
        _factory.CreateConnector(_instance, _endpoint, _connectTimeout, protocols: null).DialAsync(cancellationToken);

    /// <summary>Lets the present connections end with their calls; the next call opens new ones.</summary>
    public void Renew()
    {
        lock (_lock)
        {
            _vitals.Pool?.Retire();
            _vitals.Pool = null;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _vitals.Pool?.Retire();
            _vitals.Pool = null;
        }

        _factory.Forget(this);
    }

    // A connection of the pool drains. One of a pool that has been replaced has been drained with it.
    private void Renew(ConnectionPool draining)
    {
        lock (_lock)
        {
            if (ReferenceEquals(_vitals.Pool, draining))
            {
                _vitals.Pool.Retire();
                _vitals.Pool = null;
            }
        }
    }
}
