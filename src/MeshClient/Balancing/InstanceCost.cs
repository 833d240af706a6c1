using System.Runtime.CompilerServices;

namespace MeshClient.Balancing;

/// <summary>Which of two instances is better to send a call to. Static, so that a comparison is no virtual call.</summary>
internal interface IInstanceCost
{
    /// <summary>
    /// Negative when the second is better than the first, else 0 or more. A number rather than a truth, because which of two equals
    /// is better is a coin's toss that no processor foresees: the caller chooses by its sign bit, without a branch.
    /// </summary>
    /// <param name="a">The load of the first.</param>
    /// <param name="aPerWeight">The greatest weight of all divided by its own; 1 when all are the same.</param>
    /// <param name="b">The load of the second.</param>
    /// <param name="bPerWeight">The same for the second.</param>
    /// <param name="now">The present timestamp.</param>
    static abstract long Compare(in PeakEwma a, double aPerWeight, in PeakEwma b, double bPerWeight, long now);
}

/// <summary>
/// The latency expected times the calls in flight and the next one: <see cref="PeakEwma"/>. One of unknown latency is taken to be
/// a trace faster than the other, so it gets its share at once, its first answers tell what it is worth, and one that is known
/// to be bad never wins a toss against it.
/// </summary>
internal readonly struct LatencyCost : IInstanceCost
{
    private const double Trace = 0.999;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Compare(in PeakEwma a, double aPerWeight, in PeakEwma b, double bPerWeight, long now)
    {
        var first = a.Average(now, aPerWeight);
        var second = b.Average(now, bPerWeight);
        if (first < 0 && second < 0)
        {
            first = second = 1;
        }
        else if (first < 0)
        {
            first = second * Trace;
        }
        else if (second < 0)
        {
            second = first * Trace;
        }

        return Bits(second * ((b.InFlight * bPerWeight) + 1)) - Bits(first * ((a.InFlight * aPerWeight) + 1));
    }

    // Numbers that are not negative are in the order of their bits (IEEE 754).
    private static long Bits(double cost) => BitConverter.DoubleToInt64Bits(cost);
}

/// <summary>The calls in flight: least request (Envoy, load_balancing_policies/least_request; gRPC A48).</summary>
internal readonly struct InFlightCost : IInstanceCost
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Compare(in PeakEwma a, double aPerWeight, in PeakEwma b, double bPerWeight, long now) =>
        BitConverter.DoubleToInt64Bits(b.InFlight * bPerWeight) - BitConverter.DoubleToInt64Bits(a.InFlight * aPerWeight);
}
