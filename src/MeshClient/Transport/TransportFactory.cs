using System.Collections.Concurrent;
using System.Net.Security;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Identity;
using MeshClient.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Transport;

/// <summary>
/// Makes the connection pools of instances, and has them replaced after this process's certificate was renewed: each at a
/// random moment of the spread, so that a renewal is no storm of handshakes.
/// </summary>
internal sealed class TransportFactory : IDisposable
{
    // Half-open connections: a peer that is gone without a word is noticed within 15 + 5 s while calls wait on it.
    private static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(1);

    private readonly MeshIdentity _identity;
    private readonly TimeProvider _time;
    private readonly MeshRandom _random;
    private readonly TimeSpan _rotationSpread;
    private readonly ILogger<TransportFactory> _logger;
    private readonly ConnectionLeases _leases;
    private readonly ConcurrentDictionary<InstanceTransport, ITimer?> _live = new();
    private readonly Func<InstanceConnector, HttpMessageHandler>? _handlerFactory;
    private LeafCertificate? _leaf;
    private int _disposed;

    /// <param name="identity">What connections are authenticated with.</param>
    /// <param name="rotationSpread">Over what time pools are replaced after a renewal.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Where chance comes from.</param>
    /// <param name="logger">Where handshakes that fail are written down.</param>
    /// <param name="handlerFactory">Stands in for the network, in tests and benchmarks. Null: real sockets.</param>
    public TransportFactory(
        MeshIdentity identity,
        TimeSpan rotationSpread,
        TimeProvider time,
        MeshRandom random,
        ILogger<TransportFactory> logger,
        Func<InstanceConnector, HttpMessageHandler>? handlerFactory = null)
    {
        _identity = identity;
        _rotationSpread = rotationSpread;
        _time = time;
        _random = random;
        _logger = logger;
        _handlerFactory = handlerFactory;
        _leases = new ConnectionLeases(identity, DrainWindow.Caller, "outbound", time, random);
        _leaf = identity.Current?.Leaf;
        _identity.Changed += OnIdentityChanged;
    }

    /// <summary>How many instances have connections.</summary>
    public int LiveTransports => _live.Count;

    /// <summary>How many connections are open that were made with this process's certificate.</summary>
    public int LiveConnections => _leases.Count;

    /// <param name="instance">The instance.</param>
    /// <param name="endpoint">Which of its endpoints.</param>
    /// <param name="connectTimeout">How long a connection may take to be made.</param>
    /// <param name="inFlight">Tells how many calls are in flight at the instance.</param>
    /// <param name="draining">Told when a connection of the pool is to take no more calls.</param>
    public ConnectionPool CreatePool(
        ServiceInstance instance, InstanceEndpoint endpoint, TimeSpan connectTimeout, Func<int> inFlight, Action<ConnectionPool> draining)
    {
        ConnectionPool? pool = null;
        HttpMessageHandler Create(IReadOnlyList<SslApplicationProtocol>? protocols)
        {
            var connector = CreateConnector(instance, endpoint, connectTimeout, protocols);
            connector.Draining = () => draining(pool!);
            connector.InFlight = inFlight;
            return _handlerFactory?.Invoke(connector) ?? CreateHandler(connector);
        }

        // Over mutual TLS we negotiate the protocol ourselves, and the handler cannot be asked per connection which it wants:
        // so calls that must stay on HTTP/1.1, such as WebSocket upgrades, have a handler of their own.
        // A proxy takes whatever is offered, whoever stands behind it: there the call decides, and only that is offered.
        return pool = endpoint.Security == InstanceSecurity.Mesh
            ? new ConnectionPool(
                Create(instance.IsBehindProxy ? [SslApplicationProtocol.Http2] : [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11]),
                new HttpMessageInvoker(Create([SslApplicationProtocol.Http11])))
            : new ConnectionPool(Create(null), null);
    }

    public InstanceConnector CreateConnector(
        ServiceInstance instance, InstanceEndpoint endpoint, TimeSpan connectTimeout, IReadOnlyList<SslApplicationProtocol>? protocols) =>
        new(instance, endpoint, connectTimeout, protocols, _identity, _leases, _time, _logger);

    public void Track(InstanceTransport transport) => _live.TryAdd(transport, null);

    public void Forget(InstanceTransport transport)
    {
        if (_live.TryRemove(transport, out var timer))
        {
            timer?.Dispose();
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _identity.Changed -= OnIdentityChanged;
            _leases.Dispose();
            foreach (var transport in _live.Keys)
            {
                transport.Dispose();
            }
        }
    }

    private static SocketsHttpHandler CreateHandler(InstanceConnector connector)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = connector.ConnectAsync,
            // A redirect or a proxy would lead the call to another host over this instance's connection.
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ActivityHeadersPropagator = RecordedSpanPropagator.Instance,
            // The connector has a limit of its own, which tells "never sent" from "no answer".
            ConnectTimeout = Timeout.InfiniteTimeSpan,
            EnableMultipleHttp2Connections = true,
            PooledConnectionIdleTimeout = IdleTimeout,
            KeepAlivePingDelay = PingDelay,
            KeepAlivePingTimeout = PingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        };
        if (connector.Endpoint.Security == InstanceSecurity.Tls)
        {
            handler.SslOptions.TargetHost = connector.Endpoint.Host;
        }

        return handler;
    }

    private void OnIdentityChanged(IdentitySnapshot snapshot)
    {
        // Where it is the roots that have changed, only what hangs on one that is gone has to be replaced: see the leases.
        var leaf = (_identity.Current ?? snapshot).Leaf;
        if (ReferenceEquals(leaf, Interlocked.Exchange(ref _leaf, leaf)))
        {
            return;
        }

        foreach (var transport in _live.Keys.Where(one => one.UsesIdentity))
        {
            var delay = _rotationSpread * _random.NextDouble();
            var timer = _time.CreateTimer(
                static state => ((InstanceTransport)state!).Renew(), transport, delay, Timeout.InfiniteTimeSpan);
            _live.TryGetValue(transport, out var previous);
            if (_live.TryUpdate(transport, timer, previous))
            {
                previous?.Dispose();
            }
            else
            {
                timer.Dispose();
            }
        }
    }
}
