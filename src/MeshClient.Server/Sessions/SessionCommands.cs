using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Sessions;

/// <summary>Begins a session.</summary>
internal sealed record CreateSession(SessionRecord Session) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (!state.Catalog.Nodes.TryGetValue(Session.Node, out var node))
        {
            throw RequestRefusedException.Invalid("Missing node registration");
        }

        foreach (var checkId in Session.Checks)
        {
            var check = node.FindCheck(checkId, out _)
                ?? throw RequestRefusedException.Invalid($"Missing check '{checkId}' registration");
            if (check.Status == CheckStatus.Critical)
            {
                throw RequestRefusedException.Invalid($"Check '{checkId}' is in critical state");
            }
        }

        var session = Session with { CreateIndex = change.Index, ModifyIndex = change.Index };
        return state with { Sessions = state.Sessions.With(session, change) };
    }
}

/// <summary>Ends a session; one that is not there is as ended.</summary>
internal sealed record EndSession(string Id, Moment At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state.Sessions.Find(Id) is { } session ? SessionRules.End(state, session, At, change) : state;
}
