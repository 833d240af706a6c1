using System.Collections.Concurrent;
using MeshClient.Core.Identity;

namespace MeshClient.Identity;

/// <summary>Between which shares of a certificate's life the connections made with it are drained, each at a random moment.</summary>
/// <remarks>
/// Certificates are renewed at 60 to 90 % of their life, so after that a new connection gets a new one. The caller goes first:
/// nothing is lost when the side that sends the requests stops to, while a server that closes an idle HTTP/1.1 connection may
/// cross a request on its way.
/// </remarks>
internal readonly record struct DrainWindow(double From, double Until)
{
    public static readonly DrainWindow Caller = new(0.90, 0.95);
    public static readonly DrainWindow Called = new(0.95, 1);
}

/// <summary>The open connections of one side of this process, and until when each may live.</summary>
internal sealed class ConnectionLeases : IDisposable
{
    // A peer that has not renewed its certificate shows the old one again: with less than this between two tries, connections
    // would be made for their own sake.
    private static readonly TimeSpan ShortestLease = TimeSpan.FromSeconds(1);

    private readonly MeshIdentity _identity;
    private readonly DrainWindow _window;
    private readonly string _side;
    private readonly TimeProvider _time;
    private readonly MeshRandom _random;
    private readonly ConcurrentDictionary<ConnectionLease, byte> _live = new();

    /// <param name="identity">Whose certificates the connections are made with.</param>
    /// <param name="window">When they are drained.</param>
    /// <param name="side">The side, as metrics call it: outbound or inbound.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Where chance comes from.</param>
    public ConnectionLeases(MeshIdentity identity, DrainWindow window, string side, TimeProvider time, MeshRandom random)
    {
        _identity = identity;
        _window = window;
        _side = side;
        _time = time;
        _random = random;
        _identity.Changed += OnIdentityChanged;
    }

    /// <summary>How many connections are open.</summary>
    public int Count => _live.Count;

    /// <summary>Begins the lease of a connection. Dispose it when the connection is closed.</summary>
    public ConnectionLease Begin(ILeasedConnection connection, LeafCertificate own, VerifiedPeer peer)
    {
        var now = _time.GetUtcNow();
        var (span, whose) = own.NotAfter <= peer.Span.Until
            ? (new CertificateSpan(own.NotBefore, own.NotAfter), "this process's certificate")
            : (peer.Span, "the peer's certificate");
        var grace = _identity.Settings.ExpiryGrace;
        var lease = new ConnectionLease(
            this, connection, peer.Root, DrainAt(span, now), span.Until + grace,
            $"{whose}, which it was made with, has ended at {span.Until:O}", _time);
        _live.TryAdd(lease, 0);
        // The roots may have changed since the handshake looked.
        if (_identity.Current is { } current && !current.Trusts(peer.Root))
        {
            Withdraw(lease);
        }

        return lease;
    }

    public void Forget(ConnectionLease lease) => _live.TryRemove(lease, out _);

    public void CountEnd(bool wasAborted) => _identity.Telemetry?.ConnectionEnded(_side, wasAborted);

    public void Dispose() => _identity.Changed -= OnIdentityChanged;

    private DateTimeOffset DrainAt(CertificateSpan span, DateTimeOffset now)
    {
        var (begin, end) = (span.At(_window.From), span.At(_window.Until));
        if (now < begin)
        {
            return begin + ((end - begin) * _random.NextDouble());
        }

        // The peer had nothing newer to show. Ask again in a while: less and less of what is left.
        var pause = (span.Until - now) * (_random.NextDouble() / 2);
        return now + (pause > ShortestLease ? pause : ShortestLease);
    }

    private void OnIdentityChanged(IdentitySnapshot snapshot)
    {
        // Two changes may be told of in another order than they were made.
        var newest = _identity.Current ?? snapshot;
        foreach (var lease in _live.Keys)
        {
            if (!newest.Trusts(lease.PeerRoot))
            {
                Withdraw(lease);
            }
        }
    }

    private void Withdraw(ConnectionLease lease)
    {
        var drainAt = _time.GetUtcNow() + (_identity.Settings.RotationSpread * _random.NextDouble());
        lease.Shorten(drainAt, drainAt + _identity.Settings.ExpiryGrace, "the root that vouched for its peer is trusted no longer");
    }
}
