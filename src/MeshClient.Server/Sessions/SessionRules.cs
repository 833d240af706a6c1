using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.KeyValues;
using MeshClient.Server.State;

namespace MeshClient.Server.Sessions;

/// <summary>When sessions end and what goes with them.</summary>
internal static class SessionRules
{
    private const int IdLength = 36;

    /// <exception cref="RequestRefusedException">It has not the form of an id.</exception>
    public static void RequireForm(string session)
    {
        if (session.Length != IdLength)
        {
            throw RequestRefusedException.Invalid("failed session lookup: index error: UUID must be 36 characters");
        }
    }

    /// <summary>Ends a session: its locks are let go or deleted, and cannot be taken for a while.</summary>
    /// <param name="state">The state.</param>
    /// <param name="session">The session.</param>
    /// <param name="now">From when the delay counts.</param>
    /// <param name="change">The change.</param>
    public static ServerState End(ServerState state, SessionRecord session, Moment now, StateChange change)
    {
        var keys = state.Keys;
        var held = keys.Held.GetValueOrDefault(session.Id, []);
        foreach (var key in held)
        {
            var entry = keys.Find(key)!;
            keys = session.Behavior == SessionBehavior.Delete
                ? keys.Without(entry, change)
                : keys.With(entry with { Session = string.Empty, ModifyIndex = change.Index }, change);
        }

        if (session.LockDelay > TimeSpan.Zero && !held.IsEmpty)
        {
            keys = keys.WithDelays(held, now.After(session.LockDelay), now.Timestamp);
        }

        return state with { Keys = keys, Sessions = state.Sessions.Without(session, change) };
    }

    /// <summary>Ends the sessions whose node has gone, or one of whose checks has gone or turned critical.</summary>
    public static ServerState EndFailed(ServerState state, Moment now, StateChange change)
    {
        HashSet<(string Node, string Check)>? failed = null;
        foreach (var (check, _) in state.Sessions.Dependents)
        {
            if (!Holds(state.Catalog, check.Node, check.Check))
            {
                (failed ??= []).Add(check);
            }
        }

        if (failed is null)
        {
            return state;
        }

        foreach (var session in state.Sessions.ById.Values)
        {
            if (session.Supports.Any(support => failed.Contains((session.Node, support))))
            {
                state = End(state, session, now, change);
            }
        }

        return state;
    }

    /// <summary>Whether a check is there and not critical; the empty id stands for its node.</summary>
    private static bool Holds(CatalogState catalog, string node, string checkId) =>
        catalog.Nodes.TryGetValue(node, out var entry)
        && (checkId.Length == 0 || entry.FindCheck(checkId, out _) is { Status: not CheckStatus.Critical });
}
