using System.Net;
using System.Net.Sockets;

namespace MeshClient.TestSupport;

/// <summary>Takes connections at a port of 127.0.0.1 until it is disposed, which waits for what is done with them.</summary>
internal sealed class LoopbackListener : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Socket, int, CancellationToken, Task> _serve;
    private readonly Task _accepting;
    private int _connections;

    /// <param name="serve">What is done with a connection, which it disposes of; the number is 1 for the first. What it throws is thrown at the end.</param>
    /// <param name="port">The port; 0: one that is free.</param>
    public LoopbackListener(Func<Socket, int, CancellationToken, Task> serve, int port = 0)
    {
        _listener = new TcpListener(IPAddress.Loopback, port);
        _serve = serve;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    public int Connections => Volatile.Read(ref _connections);

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
                serving.Add(_serve(await _listener.AcceptSocketAsync(_stop.Token), Interlocked.Increment(ref _connections), _stop.Token));
            }
        }
        catch (Exception e) when (_stop.IsCancellationRequested && e is (OperationCanceledException or SocketException or InvalidOperationException))
        {
            await Task.WhenAll(serving);
        }
    }
}
