namespace MeshClient.AspNetCore.Connections;

/// <summary>The bytes of all accepted connections of one caller.</summary>
internal sealed class SourceCount(string source)
{
    private long _sent;
    private long _received;

    public string Source => source;

    public long BytesSent => Volatile.Read(ref _sent);

    public long BytesReceived => Volatile.Read(ref _received);

    public void Sent(long bytes) => Interlocked.Add(ref _sent, bytes);

    public void Received(long bytes) => Interlocked.Add(ref _received, bytes);
}
