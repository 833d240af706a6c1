using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using MeshClient.TestSupport;

namespace MeshClient.Tests.Support;

/// <summary>How a server ends a connection.</summary>
internal enum PeerEnd
{
    /// <summary>With an end and a reset right after it: which of them is seen, chance decides.</summary>
    Abrupt,

    /// <summary>So that what was sent is delivered.</summary>
    Orderly,

    /// <summary>With a reset only, as of a process that was killed with something unread.</summary>
    Reset,
}

/// <summary>A server that does to its connections what a test says, HTTP or not.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    // For as long as the process lives: a port or two for each test that asks.
    private static readonly ConcurrentBag<Socket> Held = [];

    private readonly LoopbackListener _listener;
    private readonly Func<Stream, int, CancellationToken, Task> _serve;
    private readonly PeerTls? _tls;
    private readonly SslApplicationProtocol _protocol;
    private readonly PeerEnd _end;

    private RawPeer(Func<Stream, int, CancellationToken, Task> serve, PeerTls? tls, SslApplicationProtocol protocol, PeerEnd end)
    {
        _serve = serve;
        _tls = tls;
        _protocol = protocol;
        _end = end;
        _listener = new LoopbackListener(ServeAsync);
    }

    public int Port => _listener.Port;

    public int Connections => _listener.Connections;

    /// <param name="serve">What is done with a connection; the number is 1 for the first. At its end the connection is closed.</param>
    /// <param name="tls">Mutual TLS; null for none.</param>
    /// <param name="protocol">What is agreed on in TLS. Default: HTTP/1.1.</param>
    /// <param name="end">How a connection ends when it has been served.</param>
    public static RawPeer Start(
        Func<Stream, int, CancellationToken, Task> serve, PeerTls? tls = null, SslApplicationProtocol? protocol = null, PeerEnd end = default) =>
        new(serve, tls, protocol ?? SslApplicationProtocol.Http11, end);

    /// <summary>Does nothing until the test is over.</summary>
    public static Task StayAsync(CancellationToken cancellationToken) =>
        Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);

    /// <summary>A port nobody listens on, nor will: it is held, for the system gives a port that was let go to whoever asks next.</summary>
    public static int ClosedPort()
    {
        var holder = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        holder.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Held.Add(holder);
        return ((IPEndPoint)holder.LocalEndPoint!).Port;
    }

    /// <summary>Reads a request's head, to the empty line. Null: the connection ended first.</summary>
    public static async Task<string?> ReadHeadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, cancellationToken) == 0)
            {
                return null;
            }

            head.Append((char)one[0]);
        }

        return head.ToString();
    }

    public static async Task WriteAsync(Stream stream, string text, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes(text), cancellationToken);
        await stream.FlushAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _listener.DisposeAsync();

    private async Task ServeAsync(Socket socket, int number, CancellationToken cancellationToken)
    {
        // A reset instead of an ordinary end, as of a process that was killed.
        socket.LingerState = new LingerOption(_end != PeerEnd.Orderly, 0);
        try
        {
            await using var plain = new NetworkStream(socket, ownsSocket: true);
            // Ends before the stream, which would say goodbye first.
            using var reset = _end == PeerEnd.Reset ? socket : null;
            if (_tls is null)
            {
                await _serve(plain, number, cancellationToken);
                return;
            }

            // Left open without a farewell, which would turn a reset into an ordinary end.
            var tls = new SslStream(plain, leaveInnerStreamOpen: true);
            await tls.AuthenticateAsServerAsync(_tls.Options(_protocol), cancellationToken);
            await _serve(tls, number, cancellationToken);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException
            or System.Security.Authentication.AuthenticationException or ObjectDisposedException)
        {
            // The client went away or refused us, or the test is over.
        }
    }
}
