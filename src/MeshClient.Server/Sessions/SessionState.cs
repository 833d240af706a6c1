using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.Sessions;

/// <summary>All sessions. Immutable.</summary>
internal sealed record SessionState
{
    public ImmutableSortedDictionary<string, SessionRecord> ById { get; private init; } =
        ImmutableSortedDictionary.Create<string, SessionRecord>(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// How many sessions depend on each check of a node, and with the empty id on the node itself, so that a write of a check need not look at every session.
    /// </summary>
    public ImmutableDictionary<(string Node, string Check), int> Dependents { get; private init; } =
        ImmutableDictionary<(string Node, string Check), int>.Empty;

    public required ulong Index { get; init; }

    public static SessionState CreateEmpty(ulong index) => new() { Index = index };

    public SessionRecord? Find(string id) => ById.GetValueOrDefault(id);

    public SessionState With(SessionRecord session, StateChange change)
    {
        change.Touch(Topic.Sessions);
        change.Put(StateTables.Sessions, session.Id, session);
        return this with { ById = ById.SetItem(session.Id, session), Dependents = Count(session, 1), Index = change.Index };
    }

    public SessionState Without(SessionRecord session, StateChange change)
    {
        change.Touch(Topic.Sessions);
        change.Delete(StateTables.Sessions, session.Id);
        return this with { ById = ById.Remove(session.Id), Dependents = Count(session, -1), Index = change.Index };
    }

    private ImmutableDictionary<(string Node, string Check), int> Count(SessionRecord session, int by)
    {
        var dependents = Dependents;
        foreach (var check in session.Supports)
        {
            var key = (session.Node, check);
            var count = dependents.GetValueOrDefault(key) + by;
            dependents = count > 0 ? dependents.SetItem(key, count) : dependents.Remove(key);
        }

        return dependents;
    }
}
