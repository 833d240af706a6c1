using MeshClient.Dialing;

namespace MeshClient.Forwarders;

/// <summary>A connection into the mesh, as an end of a relay.</summary>
internal sealed class MeshEnd(MeshConnection connection) : IDuplexEnd
{
    public ValueTask<int> ReadAsync(Memory<byte> buffer) => connection.ReadAsync(buffer);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer) => connection.WriteAsync(buffer);

    public ValueTask CloseWriteAsync() => connection.CloseWriteAsync();

    public void Abort() => connection.Abort();

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
