using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

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
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Stream, int, CancellationToken, Task> _serve;
    private readonly PeerTls? _tls;
    private readonly SslApplicationProtocol _protocol;
    private readonly PeerEnd _end;
    private readonly Task _accepting;
    private readonly int _port;
    private int _connections;

    private RawPeer(Func<Stream, int, CancellationToken, Task> serve, PeerTls? tls, SslApplicationProtocol protocol, PeerEnd end)
    {
        _serve = serve;
        _tls = tls;
        _protocol = protocol;
        _end = end;
        _listener.Start();
        _port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port => _port;

    public int Connections => Volatile.Read(ref _connections);

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

    /// <summary>A port nobody listens on.</summary>
    public static int ClosedPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
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

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                serving.Add(ServeAsync(await _listener.AcceptSocketAsync(_stop.Token), Interlocked.Increment(ref _connections)));
            }
        }
        catch (Exception e) when (_stop.IsCancellationRequested && e is (OperationCanceledException or SocketException or InvalidOperationException))
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Socket socket, int number)
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
                await _serve(plain, number, _stop.Token);
                return;
            }

            // Left open without a farewell, which would turn a reset into an ordinary end.
            var tls = new SslStream(plain, leaveInnerStreamOpen: true);
            await tls.AuthenticateAsServerAsync(_tls.Options(_protocol), _stop.Token);
            await _serve(tls, number, _stop.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException
            or System.Security.Authentication.AuthenticationException or ObjectDisposedException)
        {
            // The client went away or refused us, or the test is over.
        }
    }
}
