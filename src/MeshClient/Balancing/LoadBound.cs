using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, arXiv 1608.01350): an instance takes a key's call only
/// while it has no more than <c>factor</c> times its share of the calls in flight, rounded up; the next in the key's order is
/// asked then. So one popular key cannot drown its instance, and the calls it is too much for go to the same few others.
/// </summary>
/// <param name="factor">1.05 or more; the less, the more even and the less sticky (Envoy, hash_balance_factor / 100).</param>
/// <param name="instances">All instances.</param>
/// <param name="weights">Their weights.</param>
internal sealed class LoadBound(double factor, InstanceState[] instances, ReadOnlySpan<double> weights)
{
    // What sums of fractions leave above a whole number is no room for another call.
    private const double Trace = 1e-9;

    private readonly double[] _shares = Shares(weights);

    /// <summary>
    /// How many calls each may have, as a factor of its share: worked out once per pick, because it looks at all instances. Only
    /// those count that the call may go to, so that one of them has room however many are out.
    /// </summary>
    public double Allowance(in PickCall call)
    {
        var inFlight = 0;
        double shares = 0;
        for (var i = 0; i < instances.Length; i++)
        {
            if (call.IsGood(instances[i]))
            {
                inFlight += instances[i].Load.InFlight;
                shares += _shares[i];
            }
        }

        return shares > 0 ? factor * (inFlight + 1) / shares : 0;
    }

    public bool HasRoom(int index, double allowance) =>
        instances[index].Load.InFlight + 1 <= Math.Ceiling((allowance * _shares[index]) - Trace);

    private static double[] Shares(ReadOnlySpan<double> weights)
    {
        var shares = weights.ToArray();
        var sum = shares.Sum();
        return Array.ConvertAll(shares, weight => weight / sum);
    }
}
