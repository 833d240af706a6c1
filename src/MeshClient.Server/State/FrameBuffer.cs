using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace MeshClient.Server.State;

/// <summary>
/// Builds one frame of a log: a mark, the length and CRC-32C (RFC 3720 appendix B.4) of what follows, a head, and rows. A
/// batch of writes is one frame, so a frame that is not whole takes all of its batch with it.
/// </summary>
internal sealed class FrameBuffer : IBufferWriter<byte>
{
    /// <summary>What a buffer that held a large batch is cut back to.</summary>
    private const int KeptBytes = 1024 * 1024;

    private byte[] _bytes = new byte[16 * 1024];
    private int _length;

    public ReadOnlyMemory<byte> Frame => _bytes.AsMemory(0, _length);

    public int Length => _length;

    public void Begin(in FrameHead head)
    {
        if (_bytes.Length > KeptBytes)
        {
            _bytes = new byte[KeptBytes];
        }

        _length = LogFormat.FrameStart;
        head.Write(GetSpan(FrameHead.Length));
        Advance(FrameHead.Length);
    }

    public void Put(StateRows table, string key, object record, StateSeal seal)
    {
        WriteByte(LogFormat.PutRow);
        WriteName(table.Table, key);
        var start = _length;
        Advance(sizeof(int), GetSpan(sizeof(int)));
        table.WriteRow(this, record, seal);
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(start), _length - start - sizeof(int));
    }

    public void Delete(StateRows table, string key)
    {
        WriteByte(LogFormat.DeleteRow);
        WriteName(table.Table, key);
    }

    /// <summary>Fills in what comes first.</summary>
    public void End()
    {
        var start = _bytes.AsSpan(0, _length);
        BinaryPrimitives.WriteUInt32LittleEndian(start, LogFormat.FrameMark);
        BinaryPrimitives.WriteInt32LittleEndian(start[4..], _length - LogFormat.FrameStart);
        BinaryPrimitives.WriteUInt32LittleEndian(start[8..], Checksum(start[4..8], start[LogFormat.FrameStart..]));
    }

    public static uint Checksum(ReadOnlySpan<byte> length, ReadOnlySpan<byte> content)
    {
        var crc = BitOperations.Crc32C(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(length));
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(content))
        {
            crc = BitOperations.Crc32C(crc, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        }

        foreach (var rest in content[(content.Length / sizeof(ulong) * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, rest);
        }

        return ~crc;
    }

    public void Advance(int count) => _length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(_length);
    }

    private void Advance(int count, Span<byte> reserved)
    {
        reserved[..count].Clear();
        _length += count;
    }

    private void WriteByte(byte value)
    {
        GetSpan(1)[0] = value;
        _length++;
    }

    private void WriteName(string table, string key)
    {
        WriteText(table);
        WriteText(key);
    }

    private void WriteText(string text)
    {
        var span = GetSpan(sizeof(int) + Encoding.UTF8.GetMaxByteCount(text.Length));
        var count = Encoding.UTF8.GetBytes(text, span[sizeof(int)..]);
        BinaryPrimitives.WriteInt32LittleEndian(span, count);
        _length += sizeof(int) + count;
    }

    private void Reserve(int sizeHint)
    {
        var needed = checked(_length + Math.Max(1, sizeHint));
        if (needed > _bytes.Length)
        {
            Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max(needed, 2L * _bytes.Length)));
        }
    }
}
