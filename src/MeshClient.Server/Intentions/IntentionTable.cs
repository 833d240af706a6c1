using System.Collections.Immutable;
using MeshClient.Core.Intentions;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.State;

namespace MeshClient.Server.Intentions;

/// <summary>
/// All intentions, best precedence first. Immutable. As in Consul, the name of a destination is the same in any case, that of a
/// source is not.
/// </summary>
internal sealed record IntentionTable
{
    private static readonly Comparison<StoredIntention> ByPrecedence = static (left, right) =>
    {
        var order = right.Precedence.CompareTo(left.Precedence);
        order = order != 0 ? order : string.CompareOrdinal(left.Destination, right.Destination);
        return order != 0 ? order : string.CompareOrdinal(left.Source, right.Source);
    };

    public required ulong Index { get; init; }

    public required ImmutableDictionary<string, StoredIntention> ById { get; init; }

    /// <summary>By exact destination or the wildcard, each in order of precedence.</summary>
    public required ImmutableDictionary<string, ImmutableArray<StoredIntention>> ByDestination { get; init; }

    /// <summary>What the intentions to one destination have in common, by destination.</summary>
    public required ImmutableSortedDictionary<string, IntentionEntry> Entries { get; init; }

    public static IntentionTable CreateEmpty(ulong index) => new()
    {
        Index = index,
        ById = ImmutableDictionary.Create<string, StoredIntention>(StringComparer.OrdinalIgnoreCase),
        ByDestination = ImmutableDictionary.Create<string, ImmutableArray<StoredIntention>>(StringComparer.OrdinalIgnoreCase),
        Entries = ImmutableSortedDictionary.Create<string, IntentionEntry>(StringComparer.OrdinalIgnoreCase),
    };

    /// <summary>The intention of a pair as it was written; null: none.</summary>
    public StoredIntention? Find(string source, string destination)
    {
        foreach (var intention in ByDestination.GetValueOrDefault(destination, []))
        {
            if (string.Equals(intention.Source, source, StringComparison.Ordinal))
            {
                return intention;
            }
        }

        return null;
    }

    /// <summary>An intention as it is shown and evaluated: with the metadata of the entry it is part of.</summary>
    public StoredIntention Shown(StoredIntention intention) => intention.WithMetaOf(Entries[intention.Destination]);

    /// <summary>All, as they are shown.</summary>
    public IReadOnlyList<StoredIntention> All() => Sorted(ById.Values);

    /// <summary>Those that concern calls to a service, as they are shown.</summary>
    public IReadOnlyList<StoredIntention> ToDestination(string destination)
    {
        var exact = ByDestination.GetValueOrDefault(destination, []);
        return [.. (destination == Intention.Wildcard ? exact : exact.AddRange(ByDestination.GetValueOrDefault(Intention.Wildcard, []))).Select(Shown)];
    }

    /// <summary>How many concern calls to a service.</summary>
    public int CountTo(string destination) =>
        ByDestination.GetValueOrDefault(destination, []).Length + ByDestination.GetValueOrDefault(Intention.Wildcard, []).Length;

    /// <summary>Those that concern calls of a service, as they are shown.</summary>
    public IReadOnlyList<StoredIntention> FromSource(string source) =>
        Sorted(ById.Values.Where(intention => intention.Source == source || intention.Source == Intention.Wildcard));

    public IntentionTable With(StoredIntention intention, StateChange change)
    {
        var table = ById.TryGetValue(intention.Id, out var before) ? Without(before, change) : this;
        change.Touch(Topic.Intentions);
        change.Put(StateTables.Intentions, intention.Id, intention);
        var list = table.ByDestination.GetValueOrDefault(intention.Destination, []).Add(intention).Sort(ByPrecedence);
        var entry = table.Entries.GetValueOrDefault(intention.Destination)
            ?? Entries.GetValueOrDefault(intention.Destination)
            ?? new IntentionEntry(intention.Destination) { CreateIndex = change.Index };
        return table.With(entry with { ModifyIndex = change.Index }, change) with
        {
            Index = change.Index,
            ById = table.ById.SetItem(intention.Id, intention),
            ByDestination = table.ByDestination.SetItem(intention.Destination, list),
        };
    }

    public IntentionTable Without(StoredIntention intention, StateChange change)
    {
        change.Touch(Topic.Intentions);
        change.Delete(StateTables.Intentions, intention.Id);
        var list = ByDestination[intention.Destination].Remove(intention);
        return WithoutSource(intention.Destination, isLast: list.IsEmpty, change) with
        {
            Index = change.Index,
            ById = ById.Remove(intention.Id),
            ByDestination = list.IsEmpty ? ByDestination.Remove(intention.Destination) : ByDestination.SetItem(intention.Destination, list),
        };
    }

    /// <summary>With what the intentions to a destination have in common; only while there are any.</summary>
    public IntentionTable With(IntentionEntry entry, StateChange change)
    {
        change.Touch(Topic.Intentions);
        change.Put(StateTables.IntentionEntries, entry.Destination, entry);
        return this with { Index = change.Index, Entries = Entries.SetItem(entry.Destination, entry) };
    }

    /// <summary>The intentions to a destination as one service-intentions entry; null when there are none.</summary>
    public ConfigEntry? ToEntry(string destination) =>
        Entries.TryGetValue(destination, out var entry) ? entry.ToConfigEntry(ByDestination[destination]) : null;

    /// <summary>All intentions as service-intentions entries, by destination.</summary>
    public IEnumerable<ConfigEntry> ToEntries() => Entries.Values.Select(entry => entry.ToConfigEntry(ByDestination[entry.Destination]));

    private IntentionTable WithoutSource(string destination, bool isLast, StateChange change)
    {
        if (!isLast)
        {
            return With(Entries[destination] with { ModifyIndex = change.Index }, change);
        }

        change.Delete(StateTables.IntentionEntries, Entries[destination].Destination);
        return this with { Entries = Entries.Remove(destination) };
    }

    private List<StoredIntention> Sorted(IEnumerable<StoredIntention> intentions)
    {
        var list = intentions.Select(Shown).ToList();
        list.Sort(ByPrecedence);
        return list;
    }
}
