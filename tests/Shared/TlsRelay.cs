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

    private readonly LoopbackListener _listener;
    private readonly int _target;
    private readonly StrongBox<int> _toServer = new();
    private readonly StrongBox<int> _toCaller = new();

    public TlsRelay(int target)
    {
        _target = target;
        _listener = new LoopbackListener(PassOnAsync);
    }

    public int Port => _listener.Port;

    /// <summary>How many records have been passed on to the server.</summary>
    public int RecordsToServer => Volatile.Read(ref _toServer.Value);

    /// <summary>How many records have been passed on to callers.</summary>
    public int RecordsToCaller => Volatile.Read(ref _toCaller.Value);

    public ValueTask DisposeAsync() => _listener.DisposeAsync();

    private async Task PassOnAsync(Socket socket, int number, CancellationToken cancellationToken)
    {
        using var server = new TcpClient { NoDelay = true };
        await using var caller = new NetworkStream(socket, ownsSocket: true);
        try
        {
            socket.NoDelay = true;
            await server.ConnectAsync(IPAddress.Loopback, _target, cancellationToken);
            await Task.WhenAny(
                CountAsync(caller, server.GetStream(), _toServer, cancellationToken), CountAsync(server.GetStream(), caller, _toCaller, cancellationToken));
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // The server is not there, or the test is over.
        }
    }

    private static async Task CountAsync(NetworkStream from, NetworkStream to, StrongBox<int> records, CancellationToken cancellationToken)
    {
        var record = new byte[HeadLength + ushort.MaxValue];
        while (await from.ReadAtLeastAsync(record.AsMemory(0, HeadLength), HeadLength, throwOnEndOfStream: false, cancellationToken) == HeadLength)
        {
            var length = HeadLength + BinaryPrimitives.ReadUInt16BigEndian(record.AsSpan(3));
            await from.ReadExactlyAsync(record.AsMemory(HeadLength..length), cancellationToken);
            if (record[0] == ApplicationData)
            {
                Interlocked.Increment(ref records.Value);
            }

            await to.WriteAsync(record.AsMemory(0, length), cancellationToken);
        }
    }
}
