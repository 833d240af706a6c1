using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Transport;

/// <summary>A connection that stands, and what is known of it.</summary>
/// <param name="Stream">What goes over it.</param>
/// <param name="Socket">What it goes over.</param>
/// <param name="Turns">Who may touch the TLS session; null where there is none, or only HTTP goes over it.</param>
/// <param name="Endpoint">What was connected to.</param>
/// <param name="PeerId">Who the peer has proved to be; null where nobody asked.</param>
internal sealed record OpenedConnection(Stream Stream, Socket Socket, TlsTurns? Turns, InstanceEndpoint Endpoint, SpiffeId? PeerId)
{
    /// <summary>1 s: how long the last words may take, and how long the peer's are waited for.</summary>
    public static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);

    // What is more than that is a stream nobody wants.
    private const int MostUnread = 256 * 1024;

    /// <summary>Ends the sending side: <c>close_notify</c> where there is TLS, else the end of TCP.</summary>
    public ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        if (Stream is SslStream tls && Turns is not null)
        {
            return Turns.ShutdownAsync(tls, cancellationToken);
        }

        Socket.Shutdown(SocketShutdown.Send);
        return ValueTask.CompletedTask;
    }

    /// <summary>Closes it, once the sending side has ended.</summary>
    /// <param name="isOver">Whether nothing more will come, or somebody reads at this moment: then there is nothing to wait for.</param>
    /// <param name="time">The clock.</param>
    /// <remarks>
    /// A socket that is closed while something still comes resets the connection, and a reset can take with it what was sent last. With
    /// TLS 1.3 something nearly always comes: the server ends its part of the handshake later than the client, and then sends
    /// tickets for other sessions. So what comes is thrown away until the peer has ended as well, within limits.
    /// </remarks>
    public async Task CloseAsync(bool isOver, TimeProvider time)
    {
        try
        {
            Socket.Shutdown(SocketShutdown.Send);
            if (!isOver)
            {
                await ThrowAwayAsync(time).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The peer was first, or does not end.
        }

        await Stream.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Breaks it off: the peer sees a reset.</summary>
    public void Abort()
    {
        try
        {
            Socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is broken off already.
        }

        Socket.Dispose();
        Stream.Dispose();
    }

    private async Task ThrowAwayAsync(TimeProvider time)
    {
        using var limit = new CancellationTokenSource(Farewell, time);
        var buffer = ArrayPool<byte>.Shared.Rent(4096);
        try
        {
            var left = MostUnread;
            while (left > 0 && await Socket.ReceiveAsync(buffer, limit.Token).ConfigureAwait(false) is > 0 and var received)
            {
                left -= received;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
