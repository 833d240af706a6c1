using MeshClient.Server.KeyValues;
using MeshClient.Server.State;

namespace MeshClient.Server.Transactions;

/// <summary>One step of a transaction that reads or writes keys.</summary>
internal sealed record KeyOperation(string Verb, string Key, byte[] Value, ulong Flags, ulong Index, string Session) : TransactionStep
{
    private static readonly HashSet<string> Writes = new(StringComparer.Ordinal)
    {
        "set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree",
    };

    public override bool IsRead => !Writes.Contains(Verb);

    public override ServerState Apply(ServerState state, List<TransactionResult> results, long timestamp, StateChange change)
    {
        if (Key.Length == 0 && Verb != "delete-tree")
        {
            throw RequestRefusedException.Invalid("Must provide key");
        }

        return IsRead ? Read(state, results) : Write(state, results, timestamp, change);
    }

    private ServerState Read(ServerState state, List<TransactionResult> results)
    {
        var entry = state.Keys.Find(Key);
        switch (Verb)
        {
            case "get":
                results.Add(new KeyResult(entry ?? throw Failed($"key \"{Key}\" doesn't exist"), WithValue: true));
                break;
            case "get-tree":
                results.AddRange(state.Keys.Below(Key).Select(below => new KeyResult(below, WithValue: true)));
                break;
            case "check-index":
                _ = entry ?? throw Failed($"failed to check index, key \"{Key}\" doesn't exist");
                Require(entry.ModifyIndex == Index, $"failed index check for key \"{Key}\", current modify index {entry.ModifyIndex} != {Index}");
                results.Add(new KeyResult(entry, WithValue: false));
                break;
            case "check-session":
                _ = entry ?? throw Failed($"failed to check session, key \"{Key}\" doesn't exist");
                Require(entry.Session == Session, $"failed session check for key \"{Key}\", current session \"{entry.Session}\" != \"{Session}\"");
                results.Add(new KeyResult(entry, WithValue: false));
                break;
            case "check-not-exists":
                Require(entry is null, $"key \"{Key}\" exists");
                break;
            default:
                throw Failed($"unknown KV verb \"{Verb}\"");
        }

        return state;
    }

    private ServerState Write(ServerState state, List<TransactionResult> results, long timestamp, StateChange change)
    {
        var keys = state.Keys;
        var after = Verb switch
        {
            "set" => KeyOperations.Set(keys, Key, Value, Flags, change),
            "cas" => KeyOperations.SetIfIndex(keys, Key, Value, Flags, Index, change)
                ?? throw Failed($"failed to set key \"{Key}\", index is stale"),
            "lock" when keys.IsDelayed(Key, timestamp) => throw Failed($"failed to lock key \"{Key}\" due to lock delay"),
            "lock" => KeyOperations.Acquire(state, keys, Key, Value, Flags, Session, timestamp, change)
                ?? throw Failed($"failed to lock key \"{Key}\", lock is already held"),
            "unlock" => KeyOperations.Release(keys, Key, Value, Flags, Session, change)
                ?? throw Failed($"failed to unlock key \"{Key}\", lock isn't held, or is held by another session"),
            "delete" => KeyOperations.Delete(keys, Key, change),
            "delete-cas" => KeyOperations.DeleteIfIndex(keys, Key, Index, change)
                ?? throw Failed($"failed to delete key \"{Key}\", index is stale"),
            _ => KeyOperations.DeleteBelow(keys, Key, change),
        };
        if (Verb is "set" or "cas" or "lock" or "unlock")
        {
            results.Add(new KeyResult(after.Find(Key)!, WithValue: false));
        }

        return state with { Keys = after };
    }

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw Failed(problem);
        }
    }
}
