using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace MeshClient.TestSupport;

/// <summary>Passes connections on to a port and counts the TLS records with data in each direction: a write is one at least.</summary>
internal sealed class TlsRelay : IAsyncDisposable
{
    // RFC 8446, section 5.1.
    private const int HeadLength = 5;
    private const byte ApplicationData = 23;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _target;
    private readonly Task _accepting;
    private readonly StrongBox<int> _toServer = new();
    private readonly StrongBox<int> _toCaller = new();

    public TlsRelay(int target)
    {
        _target = target;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>How many records have been passed on to the server.</summary>
    public int RecordsToServer => Volatile.Read(ref _toServer.Value);

    /// <summary>How many records have been passed on to callers.</summary>
    public int RecordsToCaller => Volatile.Read(ref _toCaller.Value);

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
                    CountAsync(caller.GetStream(), server.GetStream(), _toServer), CountAsync(server.GetStream(), caller.GetStream(), _toCaller));
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // One of them is gone, or the test is over.
            }
        }
    }

    private async Task CountAsync(NetworkStream from, NetworkStream to, StrongBox<int> records)
    {
        var record = new byte[HeadLength + ushort.MaxValue];
        while (await from.ReadAtLeastAsync(record.AsMemory(0, HeadLength), HeadLength, throwOnEndOfStream: false, _stop.Token) == HeadLength)
        {
            var length = HeadLength + BinaryPrimitives.ReadUInt16BigEndian(record.AsSpan(3));
            await from.ReadExactlyAsync(record.AsMemory(HeadLength..length), _stop.Token);
            if (record[0] == ApplicationData)
            {
                Interlocked.Increment(ref records.Value);
            }

            await to.WriteAsync(record.AsMemory(0, length), _stop.Token);
        }
    }
}
