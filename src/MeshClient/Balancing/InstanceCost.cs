using System.Runtime.CompilerServices;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Which of two instances is better to send a call to. Static, so that a comparison is no virtual call. Told by a number rather
/// than a truth, negative when the second is better than the first, else 0 or more, because which of two equals is better is a
/// coin's toss that no processor foresees: the caller chooses by its sign bit, without a branch. Given the instances rather than
/// their loads, so that no more of one is looked at than what is compared: a load by reference has its owner's first bytes looked
/// at too, to see that there is one, and these often are in another line of the cache.
/// </summary>
internal interface IInstanceCost
{
    /// <summary>Compares two of the same weight.</summary>
    /// <param name="a">The first.</param>
    /// <param name="b">The second.</param>
    /// <param name="now">The present timestamp.</param>
    static abstract long Compare(InstanceVitals a, InstanceVitals b, long now);

    /// <summary>Compares two of different weights.</summary>
    /// <param name="a">The first.</param>
    /// <param name="aPerWeight">The greatest weight of all divided by its own.</param>
    /// <param name="b">The second.</param>
    /// <param name="bPerWeight">The same for the second.</param>
    /// <param name="now">The present timestamp.</param>
    static abstract long Compare(InstanceVitals a, double aPerWeight, InstanceVitals b, double bPerWeight, long now);
}

/// <summary>
/// The latency expected times the calls in flight and the next one (<see cref="PeakEwma"/>), compared by their logarithms. One of
/// unknown latency is taken to be a trace faster than the other, so it gets its share at once, its first answers tell what it is
/// worth, and one that is known to be bad never wins a toss against it.
/// </summary>
internal readonly struct LatencyCost : IInstanceCost
{
    private const double Trace = 0.001;

    private static readonly double[] Logarithms = [.. Enumerable.Range(1, 64).Select(calls => Math.Log(calls))];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Compare(InstanceVitals a, InstanceVitals b, long now)
    {
        var difference = b.Load.Level - a.Load.Level;
        if (!double.IsNaN(difference) && !a.Load.IsPenalised && !b.Load.IsPenalised)
        {
            // Looked up for equal numbers too, since whether they are equal is one more thing that no processor foresees.
            var (aCalls, bCalls) = ((uint)a.Load.InFlight, (uint)b.Load.InFlight);
            if (aCalls < (uint)Logarithms.Length && bCalls < (uint)Logarithms.Length)
            {
                return BitConverter.DoubleToInt64Bits(difference + (Logarithms[bCalls] - Logarithms[aCalls]));
            }
        }

        return Compare(a, 1, b, 1, now);
    }

    public static long Compare(InstanceVitals a, double aPerWeight, InstanceVitals b, double bPerWeight, long now)
    {
        var (first, second) = (a.Load.LevelAt(now, aPerWeight), b.Load.LevelAt(now, bPerWeight));
        var latency = !double.IsNaN(first) && !double.IsNaN(second) ? second - first
            : !double.IsNaN(first) ? -Trace
            : !double.IsNaN(second) ? Trace
            : 0;
        return BitConverter.DoubleToInt64Bits(latency + (OfNext(b.Load.InFlight, bPerWeight) - OfNext(a.Load.InFlight, aPerWeight)));
    }

    private static double OfNext(int inFlight, double perWeight) => inFlight == 0 ? 0 : Math.Log((inFlight * perWeight) + 1);
}

/// <summary>
/// The calls in flight: least request (Envoy, load_balancing_policies/least_request; gRPC A48). While a failure is held against one
/// of the two, the latency as well, as <see cref="LatencyCost"/> has it: what fails or refuses fast has fewest in flight, and would
/// get most.
/// </summary>
internal readonly struct InFlightCost : IInstanceCost
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Compare(InstanceVitals a, InstanceVitals b, long now) => a.Load.IsPenalised || b.Load.IsPenalised
        ? LatencyCost.Compare(a, 1, b, 1, now)
        : (long)b.Load.InFlight - a.Load.InFlight;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Compare(InstanceVitals a, double aPerWeight, InstanceVitals b, double bPerWeight, long now) => a.Load.IsPenalised || b.Load.IsPenalised
        ? LatencyCost.Compare(a, aPerWeight, b, bPerWeight, now)
        : BitConverter.DoubleToInt64Bits((b.Load.InFlight * bPerWeight) - (a.Load.InFlight * aPerWeight));
}
