using MeshClient.Core.Intentions;
using MeshClient.Server.State;

namespace MeshClient.Server.Intentions;

/// <summary>Makes an intention for a pair that has none.</summary>
internal sealed record CreateIntention(StoredIntention Intention) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (state.Intentions.Find(Intention.Source, Intention.Destination) is { } present)
        {
            throw RequestRefusedException.Invalid($"duplicate intention found: {present}");
        }

        if (state.Intentions.CountTo(Intention.Destination) >= IntentionLimits.Intentions)
        {
            throw RequestRefusedException.Invalid($"there are {IntentionLimits.Intentions} intentions to this destination, and there can be no more");
        }

        IntentionFit.ThrowIfUnfit(state.Config, Intention);
        var intention = Intention with { CreateIndex = change.Index, ModifyIndex = change.Index };
        return state with { Intentions = state.Intentions.With(intention, change) };
    }
}

/// <summary>Replaces everything about an intention but its id and its beginning.</summary>
internal sealed record ReplaceIntention(StoredIntention Intention) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (!state.Intentions.ById.TryGetValue(Intention.Id, out var before))
        {
            throw RequestRefusedException.NotFound($"Cannot modify non-existent intention: '{Intention.Id}'");
        }

        if (state.Intentions.Find(Intention.Source, Intention.Destination) is { } other && other.Id != before.Id)
        {
            throw RequestRefusedException.Invalid($"duplicate intention found: {other}");
        }

        return IntentionWrites.Write(state, change, before, Intention);
    }
}

/// <summary>Makes the intention of a pair, or replaces it. The id given is used only for a new one.</summary>
internal sealed record PutIntention(StoredIntention Intention) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state.Intentions.Find(Intention.Source, Intention.Destination) is { } before
            ? IntentionWrites.Write(state, change, before, Intention)
            : new CreateIntention(Intention).Apply(state, change);
}

/// <summary>Takes an intention away.</summary>
internal sealed record DeleteIntention(string Id) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (!state.Intentions.ById.TryGetValue(Id, out var intention))
        {
            throw RequestRefusedException.NotFound($"Cannot delete non-existent intention: '{Id}'");
        }

        return state with { Intentions = state.Intentions.Without(intention, change) };
    }
}

/// <summary>Takes the intention of a pair away; none is no error, as in Consul.</summary>
internal sealed record DeleteExactIntention(string Source, string Destination) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state.Intentions.Find(Source, Destination) is { } intention
            ? new DeleteIntention(intention.Id).Apply(state, change)
            : state;
}

/// <summary>What the replacing commands share.</summary>
internal static class IntentionWrites
{
    public static ServerState Write(ServerState state, StateChange change, StoredIntention before, StoredIntention wanted)
    {
        var next = wanted with
        {
            Id = before.Id,
            CreatedAt = before.CreatedAt,
            UpdatedAt = before.UpdatedAt,
            CreateIndex = before.CreateIndex,
            ModifyIndex = before.ModifyIndex,
        };
        if (next == before)
        {
            return state;
        }

        IntentionFit.ThrowIfUnfit(state.Config, next);
        next = next with { UpdatedAt = wanted.UpdatedAt, ModifyIndex = change.Index };
        return state with { Intentions = state.Intentions.With(next, change) };
    }
}
