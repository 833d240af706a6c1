using System.Collections.Immutable;
using MeshClient.Core;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.State;

namespace MeshClient.Server.Intentions;

/// <summary>A service-intentions entry as it was written.</summary>
internal sealed record IntentionEntryInput(
    string Destination, ImmutableArray<StoredIntention> Sources, EquatableArray<KeyValuePair<string, string>> Meta);

/// <summary>Puts all intentions to a destination: those to sources that are not named go away, those that stay keep their id.</summary>
internal sealed record PutIntentionEntry(IntentionEntryInput Input, ulong? IfIndex) : ConfigCommand(IfIndex)
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var before = state.Intentions.Entries.GetValueOrDefault(Input.Destination);
        if (!Holds(before?.ModifyIndex ?? 0))
        {
            return state;
        }

        var after = state;
        foreach (var gone in state.Intentions.ByDestination.GetValueOrDefault(Input.Destination, [])
            .Where(present => Input.Sources.All(wanted => wanted.Source != present.Source)))
        {
            after = after with { Intentions = after.Intentions.Without(gone, change) };
        }

        foreach (var wanted in Input.Sources)
        {
            after = new PutIntention(wanted).Apply(after, change);
        }

        var entry = after.Intentions.Entries[Input.Destination];
        if (entry.Meta != Input.Meta)
        {
            entry = entry with { Meta = Input.Meta, ModifyIndex = change.Index };
            after = after with { Intentions = after.Intentions.With(entry, change) };
        }

        return after;
    }
}

/// <summary>Takes all intentions to a destination away. None is no error, as in Consul.</summary>
internal sealed record DeleteIntentionEntry(string Destination, ulong? IfIndex) : ConfigCommand(IfIndex)
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var before = state.Intentions.Entries.GetValueOrDefault(Destination);
        if (!Holds(before?.ModifyIndex ?? 0) || before is null)
        {
            return state;
        }

        var intentions = state.Intentions;
        foreach (var intention in intentions.ByDestination[Destination])
        {
            intentions = intentions.Without(intention, change);
        }

        return state with { Intentions = intentions };
    }
}
