using MeshClient.Server.State;

namespace MeshClient.Server.PreparedQueries;

/// <summary>Makes a query.</summary>
internal sealed record CreateQuery(PreparedQuery Query) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        QueryNames.ThrowIfTaken(state.Queries, Query);
        return state with { Queries = state.Queries.With(Query with { CreateIndex = change.Index, ModifyIndex = change.Index }, change) };
    }
}

/// <summary>Replaces all of a query but its id.</summary>
internal sealed record ReplaceQuery(PreparedQuery Query) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var before = QueryNames.Existing(state.Queries, Query.Id);
        QueryNames.ThrowIfTaken(state.Queries, Query);
        var query = Query with { CreateIndex = before.CreateIndex, ModifyIndex = before.ModifyIndex };
        return query == before ? state
            : state with { Queries = state.Queries.With(query with { ModifyIndex = change.Index }, change) };
    }
}

/// <summary>Takes a query away.</summary>
internal sealed record DeleteQuery(string Id) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state with { Queries = state.Queries.Without(QueryNames.Existing(state.Queries, Id), change) };
}

/// <summary>What the commands share.</summary>
internal static class QueryNames
{
    public static void ThrowIfTaken(QueryTable queries, PreparedQuery query)
    {
        if (queries.FindByName(query.Name) is { } other && other.Id != query.Id)
        {
            throw RequestRefusedException.Invalid($"name '{query.Name}' aliases an existing query name");
        }
    }

    public static PreparedQuery Existing(QueryTable queries, string id) => queries.ById.GetValueOrDefault(id)
        ?? throw RequestRefusedException.NotFound($"Cannot modify non-existent prepared query: '{id}'");
}
