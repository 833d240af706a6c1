using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using MeshClient.Server.State;

namespace MeshClient.Server.KeyValues;

/// <summary>
/// Stored keys. Not JSON, because a value is any bytes: the length of a head, the head (flags, lock index, create index, modify
/// index, session), and the value. A longer head of a later version is read as far as it is known.
/// </summary>
internal sealed class KeyEntryRows() : StateRows<KeyEntry>("keys")
{
    private const int Numbers = 4 * sizeof(ulong);

    protected override IEnumerable<KeyValuePair<string, KeyEntry>> All(ServerState state) =>
        state.Keys.All.Select(entry => new KeyValuePair<string, KeyEntry>(entry.Key, entry));

    protected override ServerState Restore(ServerState state, string key, KeyEntry record, RestoreContext context) =>
        state with { Keys = state.Keys.With(record, context.Change) };

    protected override void Write(IBufferWriter<byte> output, KeyEntry record, StateSeal seal)
    {
        var sessionLength = Encoding.UTF8.GetByteCount(record.Session);
        var headLength = Numbers + sizeof(int) + sessionLength;
        var span = output.GetSpan(sizeof(int) + headLength);
        BinaryPrimitives.WriteInt32LittleEndian(span, headLength);
        var head = span[sizeof(int)..];
        BinaryPrimitives.WriteUInt64LittleEndian(head, record.Flags);
        BinaryPrimitives.WriteUInt64LittleEndian(head[8..], record.LockIndex);
        BinaryPrimitives.WriteUInt64LittleEndian(head[16..], record.CreateIndex);
        BinaryPrimitives.WriteUInt64LittleEndian(head[24..], record.ModifyIndex);
        BinaryPrimitives.WriteInt32LittleEndian(head[Numbers..], sessionLength);
        Encoding.UTF8.GetBytes(record.Session, head[(Numbers + sizeof(int))..]);
        output.Advance(sizeof(int) + headLength);
        output.Write(record.Value);
    }

    protected override KeyEntry Read(string key, ReadOnlySpan<byte> row, RestoreContext context)
    {
        try
        {
            var headLength = BinaryPrimitives.ReadInt32LittleEndian(row);
            var head = row.Slice(sizeof(int), headLength);
            var sessionLength = BinaryPrimitives.ReadInt32LittleEndian(head[Numbers..]);
            return new KeyEntry(
                key,
                row[(sizeof(int) + headLength)..].ToArray(),
                BinaryPrimitives.ReadUInt64LittleEndian(head),
                BinaryPrimitives.ReadUInt64LittleEndian(head[8..]),
                Encoding.UTF8.GetString(head.Slice(Numbers + sizeof(int), sessionLength)),
                BinaryPrimitives.ReadUInt64LittleEndian(head[16..]),
                BinaryPrimitives.ReadUInt64LittleEndian(head[24..]));
        }
        catch (ArgumentOutOfRangeException)
        {
            throw new InvalidDataException("it ends too early");
        }
    }
}
