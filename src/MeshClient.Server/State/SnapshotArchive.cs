using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MeshClient.Server.State;

/// <summary>
/// A snapshot in the form Consul's tools check: a tar, compressed by gzip, of <c>meta.json</c>, <c>state.bin</c> and
/// <c>SHA256SUMS</c> over both. What is in <c>state.bin</c> is our own, and one of Consul's is refused.
/// </summary>
internal static class SnapshotArchive
{
    private const string MetaName = "meta.json";
    private const string StateName = "state.bin";
    private const string SumsName = "SHA256SUMS";

    public static byte[] Write(ServerState state, StateSeal seal)
    {
        using var content = new MemoryStream();
        StateSnapshot.Write(content, state, 1, state.Index, seal);
        var bytes = content.ToArray();
        var meta = JsonSerializer.SerializeToUtf8Bytes(
            new SnapshotMeta
            {
                Id = string.Create(CultureInfo.InvariantCulture, $"1-{state.Index}-meshclient"),
                Index = state.Index,
                Size = bytes.Length,
            },
            SnapshotJsonContext.Default.SnapshotMeta);
        using var archive = new MemoryStream();
        using (var gzip = new GZipStream(archive, CompressionLevel.Fastest, leaveOpen: true))
        using (var tar = new TarWriter(gzip, TarEntryFormat.Ustar))
        {
            Add(tar, MetaName, meta);
            Add(tar, StateName, bytes);
            Add(tar, SumsName, Encoding.ASCII.GetBytes(SumsOf(meta, bytes)));
        }

        return archive.ToArray();
    }

    /// <summary>Reads the rows of an archive.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or not one of this server's.</exception>
    public static IReadOnlyCollection<StoredRow> Read(Stream archive, long limit)
    {
        var parts = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        try
        {
            using var gzip = new GZipStream(archive, CompressionMode.Decompress);
            using var tar = new TarReader(gzip);
            while (tar.GetNextEntry() is { } entry)
            {
                if (entry.Name is MetaName or StateName or SumsName && entry.DataStream is { } data)
                {
                    parts[entry.Name] = ReadAtMost(data, ref limit);
                }
            }
        }
        catch (Exception e) when (e is EndOfStreamException or FormatException or ArgumentException or NotSupportedException)
        {
            throw new InvalidDataException("it is cut off, or no archive at all", e);
        }

        if (!parts.TryGetValue(MetaName, out var meta) || !parts.TryGetValue(StateName, out var state) || !parts.TryGetValue(SumsName, out var sums))
        {
            throw new InvalidDataException($"it has to have {MetaName}, {StateName} and {SumsName}");
        }

        if (!Lines(Encoding.ASCII.GetString(sums)).SetEquals(Lines(SumsOf(meta, state))))
        {
            throw new InvalidDataException("its checksums are not those of its content");
        }

        var rows = new Dictionary<(string Table, string Key), ReadOnlyMemory<byte>>();
        StateSnapshot.Read(state, rows);
        return [.. rows.Select(row => new StoredRow(row.Key.Table, row.Key.Key, row.Value))];
    }

    private static byte[] ReadAtMost(Stream data, ref long limit)
    {
        // A small archive may unpack to anything.
        if (data.Length > limit)
        {
            throw new InvalidDataException("it is too large");
        }

        limit -= data.Length;
        var bytes = new byte[data.Length];
        data.ReadExactly(bytes);
        return bytes;
    }

    private static void Add(TarWriter tar, string name, byte[] content) => tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
    {
        DataStream = new MemoryStream(content),
        Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    private static string SumsOf(byte[] meta, byte[] state) =>
        $"{Convert.ToHexStringLower(SHA256.HashData(meta))}  {MetaName}\n{Convert.ToHexStringLower(SHA256.HashData(state))}  {StateName}\n";

    private static HashSet<string> Lines(string text) => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
}

/// <summary>What Consul's tools show of a snapshot.</summary>
internal sealed class SnapshotMeta
{
    public int Version { get; init; } = 1;

    [JsonPropertyName("ID")]
    public required string Id { get; init; }

    public required ulong Index { get; init; }

    public ulong Term { get; init; } = 1;

    public required long Size { get; init; }
}

/// <summary>How it is written.</summary>
[JsonSerializable(typeof(SnapshotMeta))]
internal sealed partial class SnapshotJsonContext : JsonSerializerContext;
