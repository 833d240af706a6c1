using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Chooses when a policy has found no instance that is neither ejected nor tried. Rather one that is ejected than one this call has
/// tried ("panic"); a tried one only when there is no other, and then rather not the one tried last, and of the rest rather one
/// that is not ejected.
/// </summary>
internal static class LastResort
{
    /// <summary>Chooses.</summary>
    /// <param name="instances">Those that may be called; at least one.</param>
    /// <param name="call">The call.</param>
    public static InstanceState Pick(ReadOnlySpan<InstanceState> instances, in PickCall call)
    {
        // From a place drawn at random, or all that is ejected would be left to the neighbour.
        var start = call.Random.Next(instances.Length);
        var last = call.Tried.IsEmpty ? null : call.Tried[^1];
        var best = instances[start];
        var bestRank = 0;
        for (var i = 0; i < instances.Length; i++)
        {
            var candidate = instances[(start + i) % instances.Length];
            if (call.IsGood(candidate))
            {
                return candidate;
            }

            var rank = !call.IsTried(candidate) ? 3
                : ReferenceEquals(candidate, last) ? 0
                : candidate.Ejection.IsIn(call.Now) ? 2
                : 1;
            if (rank > bestRank)
            {
                (best, bestRank) = (candidate, rank);
            }
        }

        return best;
    }
}
