using MeshClient.Server.DiscoveryChains;
using MeshClient.Server.Intentions;
using MeshClient.Server.State;

namespace MeshClient.Server.ConfigEntries;

/// <summary>A write of an entry that may have a condition.</summary>
/// <param name="IfIndex">Only if the entry was last changed by that write, with 0 only if there is none; null: in any case.</param>
internal abstract record ConfigCommand(ulong? IfIndex) : StateCommand
{
    /// <summary>Whether the condition held, once the write has been applied.</summary>
    public bool Held { get; private set; }

    /// <summary>Whether the condition holds for what is there.</summary>
    /// <param name="present">The index of the entry; 0 when there is none.</param>
    protected bool Holds(ulong present) => Held = IfIndex is null || IfIndex == present;
}

/// <summary>Puts an entry, if all chains are whole with it.</summary>
/// <param name="Entry">The entry.</param>
/// <param name="Datacenter">Where chains are compiled for.</param>
/// <param name="IfIndex">The condition.</param>
internal sealed record PutConfigEntry(ConfigEntry Entry, string Datacenter, ulong? IfIndex) : ConfigCommand(IfIndex)
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var before = state.Config.Find(Entry.Kind, Entry.Name);
        if (!Holds(before?.ModifyIndex ?? 0) || before?.Json == Entry.Json)
        {
            return state;
        }

        var entry = Entry with { CreateIndex = before?.CreateIndex ?? change.Index, ModifyIndex = change.Index };
        var config = state.Config.With(entry, change);
        ChainValidation.ThrowIfBroken(config, entry.Kind, entry.Name, Datacenter);
        IntentionFit.ThrowIfUnfit(config, entry.Kind, entry.Name, state.Intentions);
        return state with { Config = config };
    }
}

/// <summary>Takes an entry away, if all chains are whole without it. One that is not there is no error, as in Consul.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Name">Its name.</param>
/// <param name="Datacenter">Where chains are compiled for.</param>
/// <param name="IfIndex">The condition.</param>
internal sealed record DeleteConfigEntry(string Kind, string Name, string Datacenter, ulong? IfIndex) : ConfigCommand(IfIndex)
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var before = state.Config.Find(Kind, Name);
        if (!Holds(before?.ModifyIndex ?? 0) || before is null)
        {
            return state;
        }

        var config = state.Config.Without(before, change);
        ChainValidation.ThrowIfBroken(config, Kind, Name, Datacenter);
        IntentionFit.ThrowIfUnfit(config, Kind, Name, state.Intentions);
        return state with { Config = config };
    }
}
