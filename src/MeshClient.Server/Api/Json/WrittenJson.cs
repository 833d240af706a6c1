using System.IO.Compression;

namespace MeshClient.Server.Api.Json;

/// <summary>An answer that was written once and is given to many; compressed once too, when somebody takes it so.</summary>
internal sealed class WrittenJson(byte[] plain)
{
    private byte[]? _compressed;

    public ReadOnlyMemory<byte> Plain => plain;

    /// <summary>How much memory it takes.</summary>
    public long Size => plain.Length + (Volatile.Read(ref _compressed)?.Length ?? 0);

    public ReadOnlyMemory<byte> Compressed => Volatile.Read(ref _compressed) ?? Compress();

    private byte[] Compress()
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest))
        {
            gzip.Write(plain);
        }

        var compressed = target.ToArray();
        Volatile.Write(ref _compressed, compressed);
        return compressed;
    }
}
