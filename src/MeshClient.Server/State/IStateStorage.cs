namespace MeshClient.Server.State;

/// <summary>
/// Where state outlives the process: rows by table and key, and the highest index given out. One writer at a time calls it,
/// before anybody sees the new state.
/// </summary>
internal interface IStateStorage : IDisposable
{
    /// <summary>Seals the secrets in rows.</summary>
    StateSeal Seal { get; }

    /// <summary>What was stored, or null when nothing ever was. Called once, before anything is appended.</summary>
    /// <exception cref="InvalidDataException">Something is there that cannot be used.</exception>
    StoredState? Load();

    /// <summary>Stores writes, all of them or none.</summary>
    /// <exception cref="StateNotStoredException">
    /// They could not be stored; they must not happen. Soft ones stored since the last batch that was not soft may be gone too.
    /// </exception>
    void Append(StateBatch batch);
}

/// <summary>A row as it was stored.</summary>
internal readonly record struct StoredRow(string Table, string Key, ReadOnlyMemory<byte> Value);

/// <summary>Everything that was stored.</summary>
/// <param name="Index">An index no earlier run has gone above.</param>
/// <param name="Rows">All rows.</param>
internal sealed record StoredState(ulong Index, IReadOnlyCollection<StoredRow> Rows);

/// <summary>Writes that are stored together.</summary>
/// <param name="After">The state after them, all rows of which are those of before with the changes.</param>
/// <param name="Changes">What each write changed, in order.</param>
/// <param name="IsSoft">Whether they need not be on the disk when <see cref="IStateStorage.Append"/> returns.</param>
internal sealed record StateBatch(ServerState After, IReadOnlyList<StateChange> Changes, bool IsSoft);

/// <summary>A write that could not be stored, and so has not happened. The sentence may go to the caller.</summary>
internal sealed class StateNotStoredException(string message, Exception? inner) : IOException(message, inner);

/// <summary>Keeps nothing.</summary>
internal sealed class MemoryStateStorage : IStateStorage
{
    public StateSeal Seal { get; } = StateSeal.Create();

    public StoredState? Load() => null;

    public void Append(StateBatch batch)
    {
    }

    public void Dispose()
    {
    }
}
