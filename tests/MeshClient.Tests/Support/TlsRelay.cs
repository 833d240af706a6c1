using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace MeshClient.Tests.Support;

/// <summary>Passes connections on to a port and counts the TLS records with data that callers send: a write is one at least.</summary>
internal sealed class TlsRelay : IAsyncDisposable
{
    // RFC 8446, section 5.1.
    private const int HeadLength = 5;
    private const byte ApplicationData = 23;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _target;
    private readonly Task _accepting;
    private int _records;

    public TlsRelay(int target)
    {
        _target = target;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>How many records have been passed on to the server.</summary>
    public int Records => Volatile.Read(ref _records);

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
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(PassOnAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (_stop.IsCancellationRequested && e is OperationCanceledException or SocketException or InvalidOperationException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task PassOnAsync(TcpClient caller)
    {
        using var server = new TcpClient { NoDelay = true };
        using (caller)
        {
            try
            {
                caller.NoDelay = true;
                await server.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
                await Task.WhenAny(
                    CountAsync(caller.GetStream(), server.GetStream()), server.GetStream().CopyToAsync(caller.GetStream(), _stop.Token));
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // One of them is gone, or the test is over.
            }
        }
    }

    private async Task CountAsync(NetworkStream caller, NetworkStream server)
    {
        var record = new byte[HeadLength + ushort.MaxValue];
        while (await caller.ReadAtLeastAsync(record.AsMemory(0, HeadLength), HeadLength, throwOnEndOfStream: false, _stop.Token) == HeadLength)
        {
            var length = HeadLength + BinaryPrimitives.ReadUInt16BigEndian(record.AsSpan(3));
            await caller.ReadExactlyAsync(record.AsMemory(HeadLength..length), _stop.Token);
            if (record[0] == ApplicationData)
            {
                Interlocked.Increment(ref _records);
            }

            await server.WriteAsync(record.AsMemory(0, length), _stop.Token);
        }
    }
}
