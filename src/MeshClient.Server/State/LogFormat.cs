using System.Buffers.Binary;
using System.Text;

namespace MeshClient.Server.State;

/// <summary>
/// The form of the files in a data directory, all numbers little-endian. A file begins with 16 bytes: <c>MESHDATA</c>, the
/// format version, and four zeros. Frames follow, each with a mark, its length, its CRC-32C, a head and rows. A log has one
/// frame for each batch; a snapshot has the rows of a whole state, and its last frame says that it is the last.
/// </summary>
internal static class LogFormat
{
    /// <summary>The version written, and the only one read.</summary>
    public const int Version = 1;

    public const int FileStart = 16;
    public const uint FrameMark = 0x4D52464D;
    public const int FrameStart = 12;
    public const byte PutRow = 1;
    public const byte DeleteRow = 2;

    private static ReadOnlySpan<byte> Name => "MESHDATA"u8;

    public static byte[] CreateFileStart()
    {
        var start = new byte[FileStart];
        Name.CopyTo(start);
        BinaryPrimitives.WriteInt32LittleEndian(start.AsSpan(Name.Length), Version);
        return start;
    }

    /// <exception cref="InvalidDataException">It is no such file, or of another version.</exception>
    public static void CheckFileStart(ReadOnlySpan<byte> file)
    {
        if (file.Length < FileStart || !file.StartsWith(Name))
        {
            throw new InvalidDataException("it is no file of this server's, or its beginning is damaged");
        }

        var version = BinaryPrimitives.ReadInt32LittleEndian(file[Name.Length..]);
        if (version != Version)
        {
            throw new InvalidDataException($"it is of format version {version}, and this server knows {Version} only");
        }

        if (file[(Name.Length + sizeof(int))..FileStart].ContainsAnyExcept((byte)0))
        {
            throw new InvalidDataException("its beginning is damaged");
        }
    }

    /// <summary>Reads the frame at a place.</summary>
    /// <returns>Whether a whole frame with the right checksum is there.</returns>
    public static bool TryReadFrame(ReadOnlyMemory<byte> file, int offset, out FrameHead head, out ReadOnlyMemory<byte> rows, out int end)
    {
        (head, rows, end) = (default, default, offset);
        var rest = file.Span[offset..];
        if (rest.Length < FrameStart + FrameHead.Length || BinaryPrimitives.ReadUInt32LittleEndian(rest) != FrameMark)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
        if (length < FrameHead.Length || length > rest.Length - FrameStart)
        {
            return false;
        }

        var content = rest.Slice(FrameStart, length);
        if (FrameBuffer.Checksum(rest[4..8], content) != BinaryPrimitives.ReadUInt32LittleEndian(rest[8..]))
        {
            return false;
        }

        head = FrameHead.Read(content);
        rows = file.Slice(offset + FrameStart + FrameHead.Length, length - FrameHead.Length);
        end = offset + FrameStart + length;
        return true;
    }

    /// <summary>Takes the rows of a frame into a table of what is there.</summary>
    /// <exception cref="InvalidDataException">They are not what they should be, although their checksum is right.</exception>
    public static void TakeRows(ReadOnlyMemory<byte> rows, Dictionary<(string Table, string Key), ReadOnlyMemory<byte>> into)
    {
        try
        {
            while (!rows.IsEmpty)
            {
                var kind = rows.Span[0];
                rows = rows[1..];
                var name = (ReadText(ref rows), ReadText(ref rows));
                if (kind == PutRow)
                {
                    into[name] = ReadBytes(ref rows);
                }
                else if (kind == DeleteRow)
                {
                    into.Remove(name);
                }
                else
                {
                    throw new InvalidDataException($"it has a row of the unknown kind {kind}");
                }
            }
        }
        catch (ArgumentOutOfRangeException)
        {
            throw new InvalidDataException("a row in it ends too early");
        }
    }

    private static ReadOnlyMemory<byte> ReadBytes(ref ReadOnlyMemory<byte> rows)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(rows.Span);
        var bytes = rows.Slice(sizeof(int), length);
        rows = rows[(sizeof(int) + length)..];
        return bytes;
    }

    private static string ReadText(ref ReadOnlyMemory<byte> rows) => Encoding.UTF8.GetString(ReadBytes(ref rows).Span);
}

/// <summary>What a frame says of itself.</summary>
/// <param name="Sequence">One more than the frame before it has, over all logs.</param>
/// <param name="FlushedTo">Up to where its file was known to be on the disk when it was written.</param>
/// <param name="Index">An index that is not given out before a later frame with a higher one is on the disk.</param>
/// <param name="Flags">What is special about it.</param>
internal readonly record struct FrameHead(ulong Sequence, long FlushedTo, ulong Index, FrameFlags Flags)
{
    public const int Length = 25;

    public static FrameHead Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
        (FrameFlags)bytes[24]);

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], FlushedTo);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], Index);
        bytes[24] = (byte)Flags;
    }
}

/// <summary>What is special about a frame.</summary>
[Flags]
internal enum FrameFlags : byte
{
    None = 0,

    /// <summary>All rows of before are gone.</summary>
    ReplacesAll = 1,

    /// <summary>The snapshot ends with it.</summary>
    Last = 2,
}
