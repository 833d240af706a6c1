using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Connections;

namespace MeshClient.AspNetCore.Connections;

/// <summary>A raw connection that is open.</summary>
internal sealed class AcceptedConnection(ConnectionContext connection, MeshPeer peer, InboundVerdict verdict, long openedAt)
{
    private readonly Lock _lock = new();
    private (string? Rule, bool IsShadow) _decidedBy = (verdict.Rule, verdict.IsShadow);
    private string? _endedBecause;

    public ConnectionContext Connection => connection;

    public MeshPeer Peer => peer;

    public long OpenedAt => openedAt;

    /// <summary>Why this process has ended it, in a word; null while it has not.</summary>
    public string? EndedBecause => Volatile.Read(ref _endedBecause);

    /// <summary>Takes in a newer decision.</summary>
    /// <returns>Whether another rule decides now.</returns>
    public bool Replace(in InboundVerdict verdict)
    {
        lock (_lock)
        {
            var before = _decidedBy;
            _decidedBy = (verdict.Rule, verdict.IsShadow);
            return before != _decidedBy;
        }
    }

    /// <summary>Ends it now, whatever is under way.</summary>
    /// <returns>Whether it had not been ended before.</returns>
    public bool End(string reason, string why)
    {
        if (Interlocked.CompareExchange(ref _endedBecause, reason, null) is not null)
        {
            return false;
        }

        connection.Abort(new ConnectionAbortedException($"The connection was ended: {why}."));
        return true;
    }
}
