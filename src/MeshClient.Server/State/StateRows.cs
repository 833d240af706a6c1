using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace MeshClient.Server.State;

/// <summary>
/// How the records of one table are stored: what they look like as bytes, and how they come back into the state. The log and
/// the snapshots hold rows (table, key, bytes) and not commands, so an old log never has to be run by newer rules.
/// </summary>
/// <remarks>
/// To store something new: derive from <see cref="JsonRows{TRecord, TDocument}"/> (or from <see cref="StateRows{T}"/> for
/// bytes of another form) next to the record, register it in <see cref="StateTables"/>, and call
/// <see cref="StateChange.Put"/> and <see cref="StateChange.Delete"/> in the methods that change the immutable state.
/// A document may get optional members at any time; members that are not known are passed over, those left out have their
/// defaults. A change that an older server would misread needs a new <see cref="LogFormat.Version"/>. Tables are restored in
/// the order in which they are registered. What may be lost with the process (output of a check, certificates in use) is put
/// into the state without a row.
/// </remarks>
internal abstract class StateRows(string table)
{
    /// <summary>The name in the log; never changed.</summary>
    public string Table => table;

    /// <summary>Writes a record.</summary>
    public abstract void WriteRow(IBufferWriter<byte> output, object record, StateSeal seal);

    /// <summary>Puts a row that was stored into the state of a new run.</summary>
    /// <exception cref="InvalidDataException">It cannot be understood.</exception>
    public abstract ServerState RestoreRow(ServerState state, string key, ReadOnlySpan<byte> row, RestoreContext context);

    /// <summary>All rows of a state.</summary>
    public abstract IEnumerable<KeyValuePair<string, object>> RowsOf(ServerState state);
}

/// <summary>What a row that comes back needs to know of the run it comes into.</summary>
/// <param name="Now">When the run begins.</param>
/// <param name="Seal">Opens what was sealed.</param>
/// <param name="Change">
/// For the methods that change the state. Its index is the first of the run, above every index in the rows; it records nothing.
/// </param>
internal sealed record RestoreContext(DateTimeOffset Now, StateSeal Seal, StateChange Change);

/// <summary>The rows of records of one type.</summary>
internal abstract class StateRows<T>(string table) : StateRows(table)
    where T : class
{
    public sealed override void WriteRow(IBufferWriter<byte> output, object record, StateSeal seal) => Write(output, (T)record, seal);

    public sealed override ServerState RestoreRow(ServerState state, string key, ReadOnlySpan<byte> row, RestoreContext context) =>
        Restore(state, key, Read(key, row, context), context);

    public sealed override IEnumerable<KeyValuePair<string, object>> RowsOf(ServerState state) =>
        All(state).Select(row => new KeyValuePair<string, object>(row.Key, row.Value));

    /// <summary>Writes a record.</summary>
    protected abstract void Write(IBufferWriter<byte> output, T record, StateSeal seal);

    /// <summary>Reads a record.</summary>
    protected abstract T Read(string key, ReadOnlySpan<byte> row, RestoreContext context);

    /// <summary>Puts a record into the state.</summary>
    protected abstract ServerState Restore(ServerState state, string key, T record, RestoreContext context);

    /// <summary>All records of a state, by key.</summary>
    protected abstract IEnumerable<KeyValuePair<string, T>> All(ServerState state);
}

/// <summary>Rows in JSON, by a document class that keeps the stored form apart from the record.</summary>
internal abstract class JsonRows<TRecord, TDocument>(string table, JsonTypeInfo<TDocument> type) : StateRows<TRecord>(table)
    where TRecord : class
    where TDocument : class
{
    protected sealed override void Write(IBufferWriter<byte> output, TRecord record, StateSeal seal)
    {
        using var writer = new Utf8JsonWriter(output, new JsonWriterOptions { SkipValidation = true });
        JsonSerializer.Serialize(writer, ToDocument(record, seal), type);
    }

    protected sealed override TRecord Read(string key, ReadOnlySpan<byte> row, RestoreContext context)
    {
        try
        {
            return FromDocument(JsonSerializer.Deserialize(row, type) ?? throw new InvalidDataException("it is empty"), context);
        }
        catch (JsonException e)
        {
            // The exception's own text names the place, never a value.
            throw new InvalidDataException($"it is not the JSON it should be (path {e.Path})");
        }
    }

    protected abstract TDocument ToDocument(TRecord record, StateSeal seal);

    protected abstract TRecord FromDocument(TDocument document, RestoreContext context);
}
