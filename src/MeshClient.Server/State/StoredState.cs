using MeshClient.Server.CertificateAuthority;
using MeshClient.Server.Intentions;

namespace MeshClient.Server.State;

/// <summary>What of the state outlives the process.</summary>
/// <param name="Index">The latest index when it was stored.</param>
/// <param name="NodeId">The id of the node.</param>
/// <param name="Authority">The authority.</param>
/// <param name="Intentions">All intentions.</param>
internal sealed record StoredState(ulong Index, string NodeId, AuthorityState Authority, IReadOnlyList<StoredIntention> Intentions)
{
    /// <summary>Puts it into the empty state of a new run, whose indexes are above all it holds.</summary>
    public ServerState Restore(ServerState empty) => empty with
    {
        Authority = Authority with { RootsIndex = empty.Index },
        Intentions = Intentions.Aggregate(empty.Intentions, (table, intention) => table.With(intention, empty.Index)),
    };
}
