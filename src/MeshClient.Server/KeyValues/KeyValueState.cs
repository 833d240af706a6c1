using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.KeyValues;

/// <summary>All keys. Immutable.</summary>
/// <remarks>
/// Indexes. A key's index is that of its latest change. A key that is not there, and a prefix, have at least the index of the
/// latest removal of any key: that is above every index of a key that is gone, so a watch never sees its index go back. A
/// watch parks on its own key or prefix, so a removal elsewhere wakes nobody.
/// </remarks>
internal sealed record KeyValueState
{
    private static readonly IComparer<KeyEntry> ByKey =
        Comparer<KeyEntry>.Create(static (left, right) => string.CompareOrdinal(left.Key, right.Key));

    // A sorted set and not a dictionary, because only that is entered at a key in the middle without going through all before.
    private ImmutableSortedSet<KeyEntry> Entries { get; init; } = ImmutableSortedSet.Create(ByKey);

    /// <summary>The keys each session holds.</summary>
    public ImmutableDictionary<string, ImmutableHashSet<string>> Held { get; private init; } =
        ImmutableDictionary.Create<string, ImmutableHashSet<string>>(StringComparer.Ordinal);

    /// <summary>
    /// Until when a key cannot be taken after its session was ended, by the timestamps of this process; never stored.
    /// </summary>
    public ImmutableDictionary<string, long> Delays { get; private init; } = ImmutableDictionary.Create<string, long>(StringComparer.Ordinal);

    public required ulong RemovedIndex { get; init; }

    public int Count => Entries.Count;

    public IEnumerable<KeyEntry> All => Entries;

    public static KeyValueState CreateEmpty(ulong index) => new() { RemovedIndex = index };

    public KeyEntry? Find(string key) => Entries.TryGetValue(Probe(key), out var entry) ? entry : null;

    /// <summary>The index of what is answered about a key.</summary>
    public ulong IndexOf(KeyEntry? entry) => entry?.ModifyIndex ?? RemovedIndex;

    /// <summary>The keys that begin with a text, in order.</summary>
    public IEnumerable<KeyEntry> Below(string prefix)
    {
        var position = Entries.IndexOf(Probe(prefix));
        for (position = position < 0 ? ~position : position; position < Entries.Count; position++)
        {
            var entry = Entries[position];
            if (!entry.Key.StartsWith(prefix, StringComparison.Ordinal))
            {
                yield break;
            }

            yield return entry;
        }
    }

    /// <summary>The index of what is answered about the keys below a prefix.</summary>
    public ulong IndexBelow(string prefix)
    {
        var index = RemovedIndex;
        foreach (var entry in Below(prefix))
        {
            index = Math.Max(index, entry.ModifyIndex);
        }

        return index;
    }

    public bool IsDelayed(string key, long timestamp) => Delays.TryGetValue(key, out var until) && timestamp < until;

    /// <summary>Adds or replaces an entry.</summary>
    public KeyValueState With(KeyEntry entry, StateChange change)
    {
        change.Touch(Topic.Key(entry.Key));
        change.Put(StateTables.Keys, entry.Key, entry);
        var entries = Entries;
        var held = Held;
        if (entries.TryGetValue(entry, out var before))
        {
            entries = entries.Remove(before);
            held = before.Session == entry.Session ? held : Release(held, before);
        }

        return this with { Entries = entries.Add(entry), Held = Hold(held, entry) };
    }

    public KeyValueState Without(KeyEntry entry, StateChange change)
    {
        change.Touch(Topic.Key(entry.Key));
        change.Delete(StateTables.Keys, entry.Key);
        return this with { Entries = Entries.Remove(entry), Held = Release(Held, entry), RemovedIndex = change.Index };
    }

    /// <summary>Keeps keys from being taken for a while, and forgets the delays that are over.</summary>
    public KeyValueState WithDelays(IEnumerable<string> keys, long until, long timestamp) => this with
    {
        Delays = Delays.RemoveRange(Delays.Where(delay => delay.Value <= timestamp).Select(delay => delay.Key))
            .SetItems(keys.Select(key => new KeyValuePair<string, long>(key, until))),
    };

    private static KeyEntry Probe(string key) => new(key, [], 0, 0, string.Empty, 0, 0);

    private static ImmutableDictionary<string, ImmutableHashSet<string>> Hold(
        ImmutableDictionary<string, ImmutableHashSet<string>> held, KeyEntry entry) =>
        entry.Session.Length == 0
            ? held
            : held.SetItem(entry.Session, held.GetValueOrDefault(entry.Session, []).Add(entry.Key));

    private static ImmutableDictionary<string, ImmutableHashSet<string>> Release(
        ImmutableDictionary<string, ImmutableHashSet<string>> held, KeyEntry entry)
    {
        if (!held.TryGetValue(entry.Session, out var keys))
        {
            return held;
        }

        keys = keys.Remove(entry.Key);
        return keys.IsEmpty ? held.Remove(entry.Session) : held.SetItem(entry.Session, keys);
    }
}
