using System.Net.Security;
using System.Net.Sockets;
using MeshClient.Identity;

namespace MeshClient.Transport;

/// <summary>
/// A connection to an instance of the mesh. Is the TLS stream itself rather than a wrapper: HTTP's handler takes a connection
/// for a protected one only when it is handed that, and reads and writes pay nothing.
/// </summary>
internal sealed class InstanceStream(Socket socket, Stream transport, InstanceConnector connector)
    : SslStream(transport, leaveInnerStreamOpen: false), ILeasedConnection
{
    private readonly ClosingNotice _closing = new();
    private ConnectionLease? _lease;
    private volatile string? _endedBecause;

    /// <summary>Why this process has ended the connection; null while it has not.</summary>
    public string? EndedBecause => _endedBecause;

    /// <summary>Begins to watch how long the connection may live.</summary>
    public void Begin(Func<ILeasedConnection, ConnectionLease> lease) => _lease = lease(this);

    /// <summary>Cancelled when the connection is to be ended, because a certificate it was made with ends soon.</summary>
    public CancellationToken Closing => _closing.Token;

    public bool Drain()
    {
        try
        {
            // A pool takes it out; for a connection of its own there is only its user to tell.
            connector.Draining?.Invoke();
            return _closing.Give() || connector.Draining is not null;
        }
        catch (AggregateException e)
        {
            // The user's own, and no reason for the timer that drains to end the process.
            connector.LogCallbackFailed(e);
            return true;
        }
    }

    public void Abort(string why)
    {
        connector.LogAborted(why);
        _endedBecause = why;
        // With a reset: there is nobody to wait for, and what is under way has to notice.
        socket.Close(0);
    }

    public override ValueTask DisposeAsync()
    {
        _lease?.Dispose();
        return base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _lease?.Dispose();
        }

        base.Dispose(disposing);
    }
}
