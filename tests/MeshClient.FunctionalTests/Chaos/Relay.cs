using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace MeshClient.FunctionalTests.Chaos;

/// <summary>Passes bytes on to a port until it is told to do worse.</summary>
internal sealed class Relay : IAsyncDisposable
{
    private const int BufferSize = 16 * 1024;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Socket, Socket> _open = new();
    private readonly int _target;
    private readonly Task _accepting;
    private volatile Trouble _trouble;

    public Relay(int target)
    {
        _target = target;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    private enum Trouble
    {
        None,
        Reset,
        Silence,
    }

    public int Port { get; }

    /// <summary>From now on every connection is reset: those open at once, new ones when they have been accepted.</summary>
    public void Reset()
    {
        _trouble = Trouble.Reset;
        foreach (var socket in _open.Keys)
        {
            Abort(socket);
        }
    }

    /// <summary>From now on nothing is passed on, and connections are accepted all the same.</summary>
    public void Swallow() => _trouble = Trouble.Silence;

    /// <summary>All is well again, for new connections.</summary>
    public void Heal()
    {
        _trouble = Trouble.None;
        // What was swallowed is lost; nothing good can come of these connections.
        foreach (var socket in _open.Keys)
        {
            Abort(socket);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        foreach (var socket in _open.Keys)
        {
            Abort(socket);
        }

        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    private static void Abort(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Close();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptSocketAsync(_stop.Token));
            }
        }
        catch (Exception e) when (_stop.IsCancellationRequested && e is (OperationCanceledException or SocketException or ObjectDisposedException))
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket caller)
    {
        using var target = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        caller.NoDelay = true;
        _open.TryAdd(caller, caller);
        _open.TryAdd(target, target);
        try
        {
            if (_trouble == Trouble.Reset)
            {
                return;
            }

            await target.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
            await Task.WhenAny(PassAsync(caller, target), PassAsync(target, caller));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One of the ends went away.
        }
        finally
        {
            Abort(caller);
            Abort(target);
            _open.TryRemove(caller, out _);
            _open.TryRemove(target, out _);
        }
    }

    private async Task PassAsync(Socket from, Socket to)
    {
        var buffer = new byte[BufferSize];
        try
        {
            while (await from.ReceiveAsync(buffer, _stop.Token) is var read and > 0)
            {
                if (_trouble != Trouble.Silence)
                {
                    await to.SendAsync(buffer.AsMemory(0, read), _stop.Token);
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One of the ends went away.
        }
    }
}
