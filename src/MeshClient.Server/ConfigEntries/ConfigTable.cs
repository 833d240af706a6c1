using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.ConfigEntries;

/// <summary>
/// All config entries but intentions, which have a table of their own. Immutable. Knows for every topic the index of its
/// latest change, deletions included, so that a chain only wakes for what it is made of.
/// </summary>
internal sealed record ConfigTable
{
    private readonly ulong _firstIndex;

    private ConfigTable(ulong firstIndex) => _firstIndex = firstIndex;

    private ImmutableSortedDictionary<string, ImmutableSortedDictionary<string, ConfigEntry>> ByKind { get; init; } =
        ImmutableSortedDictionary.Create<string, ImmutableSortedDictionary<string, ConfigEntry>>(StringComparer.Ordinal);

    private ImmutableDictionary<Topic, ulong> Changes { get; init; } = ImmutableDictionary<Topic, ulong>.Empty;

    /// <summary>No entries.</summary>
    /// <param name="index">The index of what has not changed since.</param>
    public static ConfigTable CreateEmpty(ulong index) => new(index);

    /// <summary>All entries, by kind and then by name.</summary>
    public IEnumerable<ConfigEntry> All => ByKind.Values.SelectMany(entries => entries.Values);

    /// <summary>The proxy-defaults; null when there are none.</summary>
    public ProxyDefaultsEntry? ProxyDefaults => Find<ProxyDefaultsEntry>(ConfigKinds.ProxyDefaults, ProxyDefaultsEntry.GlobalName);

    public ulong IndexOf(Topic topic) => Changes.GetValueOrDefault(topic, _firstIndex);

    /// <summary>The entries of a kind, by name.</summary>
    public IEnumerable<ConfigEntry> Of(string kind) => ByKind.TryGetValue(kind, out var entries) ? entries.Values : [];

    public ConfigEntry? Find(string kind, string name) => Find<ConfigEntry>(kind, name);

    public T? Find<T>(string kind, string name)
        where T : ConfigEntry =>
        ByKind.TryGetValue(kind, out var entries) && entries.TryGetValue(name, out var entry) ? (T)entry : null;

    public ConfigTable With(ConfigEntry entry, StateChange change)
    {
        change.Put(StateTables.Config, KeyOf(entry), entry);
        var entries = ByKind.GetValueOrDefault(entry.Kind, ImmutableSortedDictionary.Create<string, ConfigEntry>(StringComparer.Ordinal));
        return Touched(entry.Kind, entry.Name, change) with { ByKind = ByKind.SetItem(entry.Kind, entries.SetItem(entry.Name, entry)) };
    }

    public ConfigTable Without(ConfigEntry entry, StateChange change)
    {
        change.Delete(StateTables.Config, KeyOf(entry));
        var entries = ByKind[entry.Kind].Remove(entry.Name);
        return Touched(entry.Kind, entry.Name, change) with
        {
            ByKind = entries.IsEmpty ? ByKind.Remove(entry.Kind) : ByKind.SetItem(entry.Kind, entries),
        };
    }

    public static string KeyOf(ConfigEntry entry) => $"{entry.Kind}/{entry.Name}";

    /// <summary>With the topics of an entry changed, wherever it is kept.</summary>
    public ConfigTable Touched(string kind, string name, StateChange change)
    {
        var changes = Changes;
        foreach (var topic in new[] { Topic.Config, Topic.ConfigKind(kind), Topic.ConfigEntry(kind, name), Topic.Chain(ChainNameOf(kind, name)) })
        {
            change.Touch(topic);
            changes = changes.SetItem(topic, change.Index);
        }

        return this with { Changes = changes };
    }

    // What holds for all services is a part of every chain.
    private static string ChainNameOf(string kind, string name) => kind == ConfigKinds.ProxyDefaults ? string.Empty : name;
}
