using System.Collections.Concurrent;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;

namespace MeshClient.AspNetCore.Telemetry;

/// <summary>What callers are called in tags, in log lines and in what is kept by caller: a bounded number of names.</summary>
/// <remarks>
/// Services of this trust domain go by their names, for no more of them are certified than the mesh has. Another trust domain's
/// authority can make up any number of ids, and calls of theirs that are refused are told of too. So their members are bounded apart,
/// where they take no name from ours, and those beyond the bound go by their trust domain.
/// </remarks>
internal sealed class BoundedSources
{
    /// <summary>How many members of each other trust domain go by their ids.</summary>
    public const int MaxForeign = 100;

    private readonly BoundedNames _own = new();
    private readonly ConcurrentDictionary<string, BoundedNames> _foreign = new(StringComparer.Ordinal);

    /// <summary>The name of a caller; null: one without identity.</summary>
    public string Of(MeshPeer? peer) =>
        peer is null ? InboundRequest.NoSource
        : peer.IsForeign ? _foreign.GetOrAdd(peer.Id.TrustDomain, static domain => new BoundedNames(MaxForeign, $"spiffe://{domain}")).Of(peer.Source)
        : _own.Of(peer.Source);
}
