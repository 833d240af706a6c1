using MeshClient.Server.Catalog;

namespace MeshClient.Server.State;

/// <summary>
/// The first write of a run: it stores the id of the node, and makes sure that the indexes of this run are above those of all
/// earlier ones and below those of all later ones, whatever becomes of the clock.
/// </summary>
internal sealed record BeginRun : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        change.Put(StateTables.Nodes, NodeRows.KeyOf(state.Catalog.Node), state.Catalog.Node);
        return state with { };
    }
}
