namespace MeshClient.Forwarders;

/// <summary>One end of a relay: a connection of which each direction ends by itself.</summary>
internal interface IDuplexEnd : IAsyncDisposable
{
    /// <summary>Reads; 0 says that no more will come. With an empty buffer: waits until there is something to read.</summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer);

    ValueTask WriteAsync(ReadOnlyMemory<byte> buffer);

    /// <summary>Says that no more will be written.</summary>
    ValueTask CloseWriteAsync();

    /// <summary>Breaks it off, so that the other side sees no orderly end. What is under way on it fails.</summary>
    void Abort();
}
