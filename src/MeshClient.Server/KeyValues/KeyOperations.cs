using MeshClient.Server.Sessions;
using MeshClient.Server.State;

namespace MeshClient.Server.KeyValues;

/// <summary>What a write does to a key, by Consul's rules. Each gives back null when its condition does not hold.</summary>
internal static class KeyOperations
{
    /// <summary>Sets a value. A lock stays with its session, and is not asked; its count begins anew (as in Consul).</summary>
    public static KeyValueState Set(KeyValueState keys, string key, byte[] value, ulong flags, StateChange change)
    {
        var before = keys.Find(key);
        return Write(keys, before, new KeyEntry(key, value, flags, 0, before?.Session ?? string.Empty, 0, 0), change);
    }

    /// <summary>Sets a value if the key was last changed by a write; 0: if there is none.</summary>
    public static KeyValueState? SetIfIndex(KeyValueState keys, string key, byte[] value, ulong flags, ulong index, StateChange change) =>
        (keys.Find(key)?.ModifyIndex ?? 0) == index ? Set(keys, key, value, flags, change) : null;

    /// <summary>Takes a key as a lock, with a value.</summary>
    /// <exception cref="RequestRefusedException">There is no such session.</exception>
    public static KeyValueState? Acquire(
        ServerState state, KeyValueState keys, string key, byte[] value, ulong flags, string session, long timestamp, StateChange change)
    {
        SessionRules.RequireForm(session);
        if (state.Sessions.Find(session) is not { } known)
        {
            throw RequestRefusedException.Invalid($"invalid session \"{session}\"");
        }

        var before = keys.Find(key);
        if ((before is { Session.Length: > 0 } && before.Session != known.Id) || keys.IsDelayed(key, timestamp))
        {
            return null;
        }

        var count = before?.Session == known.Id ? before.LockIndex : (before?.LockIndex ?? 0) + 1;
        return Write(keys, before, new KeyEntry(key, value, flags, count, known.Id, 0, 0), change);
    }

    /// <summary>Lets a lock go, with a value.</summary>
    public static KeyValueState? Release(KeyValueState keys, string key, byte[] value, ulong flags, string session, StateChange change) =>
        keys.Find(key) is { Session.Length: > 0 } before && before.Session == session
            ? Write(keys, before, new KeyEntry(key, value, flags, before.LockIndex, string.Empty, 0, 0), change)
            : null;

    public static KeyValueState Delete(KeyValueState keys, string key, StateChange change) =>
        keys.Find(key) is { } entry ? keys.Without(entry, change) : keys;

    /// <summary>Deletes a key if it was last changed by a write. One that is not there is as deleted.</summary>
    public static KeyValueState? DeleteIfIndex(KeyValueState keys, string key, ulong index, StateChange change) =>
        keys.Find(key) is not { } entry ? keys
        : entry.ModifyIndex == index ? keys.Without(entry, change)
        : null;

    public static KeyValueState DeleteBelow(KeyValueState keys, string prefix, StateChange change)
    {
        foreach (var entry in keys.Below(prefix))
        {
            keys = keys.Without(entry, change);
        }

        return keys;
    }

    // A write that changes nothing moves no index.
    private static KeyValueState Write(KeyValueState keys, KeyEntry? before, KeyEntry entry, StateChange change) =>
        before is not null && before.SaysTheSame(entry)
            ? keys
            : keys.With(entry with { CreateIndex = before?.CreateIndex ?? change.Index, ModifyIndex = change.Index }, change);
}
