using System.Net.Sockets;

namespace MeshClient.Forwarders;

/// <summary>A plain TCP connection on this machine, as an end of a relay.</summary>
internal sealed class SocketEnd(Socket socket) : IDuplexEnd
{
    public ValueTask<int> ReadAsync(Memory<byte> buffer) => socket.ReceiveAsync(buffer);

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            buffer = buffer[await socket.SendAsync(buffer).ConfigureAwait(false)..];
        }
    }

    public ValueTask CloseWriteAsync()
    {
        socket.Shutdown(SocketShutdown.Send);
        return ValueTask.CompletedTask;
    }

    public void Abort()
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is broken off already.
        }

        socket.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
