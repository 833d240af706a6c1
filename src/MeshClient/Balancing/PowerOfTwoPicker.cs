using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Chooses an instance: draws two different ones at random and takes the cheaper, which keeps the greatest load within
/// O(log log n) of the mean at constant cost (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS
/// 12(10), 2001), and unlike "the best of all" does not send every client to the same instance at once.
/// </summary>
/// <remarks>
/// One that is ejected or has been tried by this call loses against one that is not. When both drawn are out, it draws
/// again, four times in all: enough that half the instances may be out and still 99 % of picks find a good one (Finagle,
/// P2CPick, maxEffort). Then the list is walked once. Only when no untried instance is in does an ejected one get the call
/// ("panic"); a tried one only when there is no other, and then rather not the one tried last, and of the rest rather one
/// that is not ejected.
/// </remarks>
internal static class PowerOfTwoPicker
{
    private const int MaxEffort = 4;

    /// <summary>Chooses.</summary>
    /// <param name="instances">Those that may be called; at least one.</param>
    /// <param name="tried">Those this call has tried already.</param>
    /// <param name="random">Where chance comes from.</param>
    /// <param name="now">The present timestamp.</param>
    public static InstanceState Pick(
        ReadOnlySpan<InstanceState> instances, ReadOnlySpan<InstanceState> tried, MeshRandom random, long now)
    {
        if (instances.Length == 1)
        {
            return instances[0];
        }

        for (var effort = 0; effort < MaxEffort; effort++)
        {
            var bits = random.NextBits();
            var first = MeshRandom.Scale((uint)bits, instances.Length);
            var second = MeshRandom.Scale((uint)(bits >> 32), instances.Length - 1);
            if (second >= first)
            {
                second++;
            }

            var a = instances[first];
            var b = instances[second];
            var aIn = IsIn(a, tried, now);
            var bIn = IsIn(b, tried, now);
            if (aIn & bIn)
            {
                return a.Cost(now) <= b.Cost(now) ? a : b;
            }

            if (aIn | bIn)
            {
                return aIn ? a : b;
            }
        }

        return Walk(instances, tried, random, now);
    }

    private static InstanceState Walk(
        ReadOnlySpan<InstanceState> instances, ReadOnlySpan<InstanceState> tried, MeshRandom random, long now)
    {
        var start = random.Next(instances.Length);
        var last = tried.IsEmpty ? null : tried[^1];
        var best = instances[start];
        var bestRank = 0;
        for (var i = 0; i < instances.Length; i++)
        {
            var candidate = instances[(start + i) % instances.Length];
            if (IsIn(candidate, tried, now))
            {
                return candidate;
            }

            var rank = !Contains(tried, candidate) ? 3
                : ReferenceEquals(candidate, last) ? 0
                : candidate.Ejection.IsIn(now) ? 2
                : 1;
            if (rank > bestRank)
            {
                (best, bestRank) = (candidate, rank);
            }
        }

        return best;
    }

    private static bool IsIn(InstanceState instance, ReadOnlySpan<InstanceState> tried, long now) =>
        instance.Ejection.IsIn(now) && !Contains(tried, instance);

    private static bool Contains(ReadOnlySpan<InstanceState> tried, InstanceState instance)
    {
        foreach (var one in tried)
        {
            if (ReferenceEquals(one, instance))
            {
                return true;
            }
        }

        return false;
    }
}
