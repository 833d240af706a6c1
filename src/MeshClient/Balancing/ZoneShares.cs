using MeshClient.Configuration;

namespace MeshClient.Balancing;

/// <summary>Which share of this process's calls goes to each zone.</summary>
/// <remarks>
/// Envoy's zone-aware routing: with L the zone's share of the callers and U its share of the healthy instances, everything stays when
/// U is at least L, else U/L of it; the rest goes to the zones that have more instances than callers, in proportion to the
/// difference. So every instance gets the same load, and as little as possible crosses zones.
/// Spill-over as between Envoy's priorities: the zone takes 1.4 times its share of healthy instances, at most all; below 71 %
/// healthy the rest goes to the others, in proportion to their healthy instances.
/// </remarks>
internal static class ZoneShares
{
    /// <summary>Works out the shares.</summary>
    /// <param name="local">Which zone is this process's own.</param>
    /// <param name="healthy">Instances that may be called now, per zone; at least one in all.</param>
    /// <param name="listed">Instances per zone, the unhealthy included.</param>
    /// <param name="callers">Each zone's share of the callers; empty: the own zone takes all it can, fair or not.</param>
    public static double[] Of(int local, ReadOnlySpan<int> healthy, ReadOnlySpan<int> listed, ReadOnlySpan<double> callers)
    {
        var shares = new double[healthy.Length];
        double all = 0;
        foreach (var count in healthy)
        {
            all += count;
        }

        var fair = callers.IsEmpty || callers[local] <= 0 ? 1 : Math.Min(1, healthy[local] / all / callers[local]);
        var able = listed[local] == 0 ? 0 : Math.Min(1, (double)healthy[local] / listed[local] * MeshDefaults.Overprovisioning);
        var stays = fair * able;
        shares[local] = stays;

        double residual = 0;
        for (var i = 0; i < healthy.Length && fair < 1; i++)
        {
            residual += i == local ? 0 : Math.Max(0, (healthy[i] / all) - callers[i]);
        }

        // What is left over for fairness goes by residual capacity, what is left over for want of health by what is healthy.
        var byResidual = residual > 0 ? 1 - fair : 0;
        var byHealth = 1 - stays - byResidual;
        var elsewhere = all - healthy[local];
        for (var i = 0; i < healthy.Length; i++)
        {
            if (i != local && elsewhere > 0)
            {
                shares[i] = (byResidual == 0 ? 0 : byResidual * Math.Max(0, (healthy[i] / all) - callers[i]) / residual)
                    + (byHealth * healthy[i] / elsewhere);
            }
        }

        return shares;
    }
}
