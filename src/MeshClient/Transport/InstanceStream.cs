using System.Net.Security;
using System.Net.Sockets;
using MeshClient.Identity;

namespace MeshClient.Transport;

/// <summary>
/// A connection to an instance of the mesh. Is the TLS stream itself rather than a wrapper: HTTP's handler takes a connection
/// for a protected one only when it is handed that, and reads pay nothing.
/// </summary>
internal sealed class InstanceStream(Socket socket, Stream transport, InstanceConnector connector)
    : SslStream(transport, leaveInnerStreamOpen: false), ILeasedConnection
{
    // With fewer calls in flight writes are not gathered.
    private const int LeastShared = 8;

    private readonly ClosingNotice _closing = new();
    private ConnectionLease? _lease;
    private WriteCoalescer? _coalescer;
    private bool _isUsed;
    private volatile string? _endedBecause;

    /// <summary>Why this process has ended the connection; null while it has not.</summary>
    public string? EndedBecause => _endedBecause;

    /// <summary>Begins to watch how long the connection may live.</summary>
    public void Begin(Func<ILeasedConnection, ConnectionLease> lease) => _lease = lease(this);

    /// <summary>Cancelled when the connection is to be ended, because a certificate it was made with ends soon.</summary>
    public CancellationToken Closing => _closing.Token;

    /// <summary>Gathers small writes from now on.</summary>
    /// <param name="inFlight">How many calls are in flight at the instance.</param>
    /// <param name="time">The clock.</param>
    public void Coalesce(Func<int> inFlight, TimeProvider time) => _coalescer = new WriteCoalescer(
        base.WriteAsync,
        () => inFlight() >= LeastShared,
        time,
        // A read that is waiting ends by it, and with it all calls on the connection.
        () => socket.Close(0));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        _coalescer is not { } coalescer ? base.WriteAsync(buffer, cancellationToken)
        : _isUsed ? coalescer.WriteAsync(buffer, cancellationToken)
        : BeginUseAsync(coalescer, buffer, cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count)
    {
        _isUsed = true;
        Flush();
        base.Write(buffer, offset, count);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _isUsed = true;
        Flush();
        base.Write(buffer);
    }

    public override void Flush()
    {
        _coalescer?.FlushAsync().AsTask().GetAwaiter().GetResult();
        base.Flush();
    }

    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (_coalescer is { } coalescer)
        {
            await coalescer.FlushAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        await base.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

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
        _coalescer?.Close();
        _lease?.Dispose();
        return base.DisposeAsync();
    }

    // What comes first over HTTP/2 is the preface, and no request (RFC 9113, section 3.4). The runtime wraps its failure like that of any
    // later write, by which a request may have left.
    private async ValueTask BeginUseAsync(WriteCoalescer coalescer, ReadOnlyMemory<byte> preface, CancellationToken cancellationToken)
    {
        try
        {
            await coalescer.WriteAsync(preface, cancellationToken).ConfigureAwait(false);
            _isUsed = true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Disposed of is what the runtime, which reads already, was asked by the peer to close; there is no more to tell of it.
            throw new UnusedConnectionException(e as IOException);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _coalescer?.Close();
            _lease?.Dispose();
        }

        base.Dispose(disposing);
    }
}
