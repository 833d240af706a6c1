using MeshClient.Configuration;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// The latency taken for granted of an instance about which nothing is known: one that has just come, or one back from an
/// ejection. It is what its peers are known to need, the lower median of those that are not ejected; without peers
/// <see cref="MeshDefaults.InitialLatency"/>, Linkerd's constant.
/// </summary>
/// <remarks>
/// With a constant well above what the peers need, power of two choices picks the newcomer only when it is drawn against
/// nothing better, which is never, until the constant has decayed to the peers' level: <c>decay * ln(30 ms / 1 ms)</c> = 34 s;
/// and 85 s after a probe, from the 5 s its failures counted as. Starting level it gets a fair share at once, and the first
/// answers tell what it is worth: a bad one replaces the start, as any peak does. The median rather than the mean, because one
/// peer that fails, at 5 s, would put the mean out of reach again.
/// </remarks>
internal static class StartingLatency
{
    /// <summary>The latency, in timestamp ticks.</summary>
    /// <param name="peers">The other instances; may contain <paramref name="self"/>.</param>
    /// <param name="self">Whose start it is; null when it is not made yet.</param>
    /// <param name="frequency">Timestamp ticks per second.</param>
    /// <param name="now">The present timestamp.</param>
    public static double Among(ReadOnlySpan<InstanceState> peers, InstanceState? self, long frequency, long now)
    {
        var averages = new List<double>(peers.Length);
        foreach (var peer in peers)
        {
            if (!ReferenceEquals(peer, self) && !peer.Ejection.IsOut)
            {
                averages.Add(peer.Load.Average(now));
            }
        }

        averages.Sort();
        return averages.Count > 0 ? averages[(averages.Count - 1) / 2] : MeshDefaults.InitialLatency.TotalSeconds * frequency;
    }
}
