namespace MeshClient.Server.State;

/// <summary>Puts the rows of a snapshot in the place of everything.</summary>
internal sealed record RestoreSnapshot(IReadOnlyCollection<StoredRow> Rows, StateSeal Seal, DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        // Every index of the new state is this write's, above all given out before: nobody's watch sees one go back.
        var empty = ServerState.CreateEmpty(change.Index, state.Catalog.Node, At);
        ServerState restored;
        try
        {
            restored = StateTables.Restore(empty, Rows, new RestoreContext(At, Seal, StateChange.OfRestore(change.Index)));
        }
        catch (InvalidDataException e)
        {
            throw RequestRefusedException.Invalid($"The snapshot cannot be restored, nothing has changed: {e.Message}.");
        }

        if (restored.Authority is null)
        {
            throw RequestRefusedException.Invalid("The snapshot cannot be restored, nothing has changed: it has no certificate authority.");
        }

        change.ReplaceAll();
        foreach (var (table, key, record) in StateTables.RowsOf(restored))
        {
            change.PutAny(table, key, record);
        }

        return restored;
    }

    public override string ToString() => nameof(RestoreSnapshot);
}
