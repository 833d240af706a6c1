using MeshClient.Server.State;

namespace MeshClient.Server.KeyValues;

/// <summary>A write of keys that has a condition.</summary>
internal abstract record KeyCommand : StateCommand
{
    /// <summary>Whether the condition held, once the write has been applied.</summary>
    public bool Held { get; private set; }

    public sealed override ServerState Apply(ServerState state, StateChange change)
    {
        var keys = Apply(state, state.Keys, change);
        Held = keys is not null;
        return keys is null || ReferenceEquals(keys, state.Keys) ? state : state with { Keys = keys };
    }

    /// <summary>The keys after the write; null when its condition does not hold.</summary>
    protected abstract KeyValueState? Apply(ServerState state, KeyValueState keys, StateChange change);
}

/// <summary>Sets a value; with an index only if the key was last changed by that write, with 0 only if there is none.</summary>
internal sealed record SetKey(string Key, byte[] Value, ulong Flags, ulong? IfIndex) : KeyCommand
{
    protected override KeyValueState? Apply(ServerState state, KeyValueState keys, StateChange change) => IfIndex is { } index
        ? KeyOperations.SetIfIndex(keys, Key, Value, Flags, index, change)
        : KeyOperations.Set(keys, Key, Value, Flags, change);
}

/// <summary>Takes a key as a lock.</summary>
internal sealed record AcquireKey(string Key, byte[] Value, ulong Flags, string Session, long Timestamp) : KeyCommand
{
    protected override KeyValueState? Apply(ServerState state, KeyValueState keys, StateChange change) =>
        KeyOperations.Acquire(state, keys, Key, Value, Flags, Session, Timestamp, change);
}

/// <summary>Lets a lock go.</summary>
internal sealed record ReleaseKey(string Key, byte[] Value, ulong Flags, string Session) : KeyCommand
{
    protected override KeyValueState? Apply(ServerState state, KeyValueState keys, StateChange change) =>
        KeyOperations.Release(keys, Key, Value, Flags, Session, change);
}

/// <summary>Deletes a key; with an index only if it was last changed by that write.</summary>
internal sealed record DeleteKey(string Key, ulong? IfIndex) : KeyCommand
{
    protected override KeyValueState? Apply(ServerState state, KeyValueState keys, StateChange change) => IfIndex is { } index
        ? KeyOperations.DeleteIfIndex(keys, Key, index, change)
        : KeyOperations.Delete(keys, Key, change);
}

/// <summary>Deletes all keys that begin with a text.</summary>
internal sealed record DeleteKeysBelow(string Prefix) : KeyCommand
{
    protected override KeyValueState? Apply(ServerState state, KeyValueState keys, StateChange change) =>
        KeyOperations.DeleteBelow(keys, Prefix, change);
}
