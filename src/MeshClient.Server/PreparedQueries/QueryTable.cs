using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.PreparedQueries;

/// <summary>All prepared queries. Immutable.</summary>
internal sealed record QueryTable
{
    public required ulong Index { get; init; }

    public required ImmutableSortedDictionary<string, PreparedQuery> ById { get; init; }

    /// <summary>The id by name, without regard to case.</summary>
    private ImmutableDictionary<string, string> Names { get; init; } =
        ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase);

    public static QueryTable CreateEmpty(ulong index) => new()
    {
        Index = index,
        ById = ImmutableSortedDictionary.Create<string, PreparedQuery>(StringComparer.Ordinal),
    };

    /// <summary>Finds a query by its id, or by its name.</summary>
    public PreparedQuery? Find(string idOrName) =>
        ById.TryGetValue(idOrName, out var query) ? query
        : Names.TryGetValue(idOrName, out var id) ? ById[id]
        : null;

    /// <summary>The query that has a name.</summary>
    public PreparedQuery? FindByName(string name) => Names.TryGetValue(name, out var id) ? ById[id] : null;

    public QueryTable With(PreparedQuery query, StateChange change)
    {
        change.Touch(Topic.Queries);
        change.Put(StateTables.Queries, query.Id, query);
        var names = ById.TryGetValue(query.Id, out var before) ? Names.Remove(before.Name) : Names;
        return this with { Index = change.Index, ById = ById.SetItem(query.Id, query), Names = names.SetItem(query.Name, query.Id) };
    }

    public QueryTable Without(PreparedQuery query, StateChange change)
    {
        change.Touch(Topic.Queries);
        change.Delete(StateTables.Queries, query.Id);
        return this with { Index = change.Index, ById = ById.Remove(query.Id), Names = Names.Remove(query.Name) };
    }
}
