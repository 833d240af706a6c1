namespace MeshClient.Balancing;

/// <summary>Which of two instances is better to send a call to. Static, so that a comparison is no virtual call.</summary>
internal interface IInstanceCost
{
    /// <summary>Whether the first is at least as good as the second.</summary>
    /// <param name="a">The load of the first.</param>
    /// <param name="aPerWeight">The greatest weight of all divided by its own; 1 when all are the same.</param>
    /// <param name="b">The load of the second.</param>
    /// <param name="bPerWeight">The same for the second.</param>
    /// <param name="now">The present timestamp.</param>
    static abstract bool IsAsGood(PeakEwma a, double aPerWeight, PeakEwma b, double bPerWeight, long now);
}

/// <summary>
/// The latency expected times the calls in flight and the next one: <see cref="PeakEwma"/>. One of unknown latency is taken to be
/// as fast as the other, so it gets its share at once, and its first answers tell what it is worth.
/// </summary>
internal readonly struct LatencyCost : IInstanceCost
{
    public static bool IsAsGood(PeakEwma a, double aPerWeight, PeakEwma b, double bPerWeight, long now)
    {
        var first = a.Average(now, aPerWeight);
        var second = b.Average(now, bPerWeight);
        if (first < 0)
        {
            first = second < 0 ? 1 : second;
        }

        if (second < 0)
        {
            second = first;
        }

        return first * ((a.InFlight * aPerWeight) + 1) <= second * ((b.InFlight * bPerWeight) + 1);
    }
}

/// <summary>The calls in flight: least request (Envoy, load_balancing_policies/least_request; gRPC A48).</summary>
internal readonly struct InFlightCost : IInstanceCost
{
    public static bool IsAsGood(PeakEwma a, double aPerWeight, PeakEwma b, double bPerWeight, long now) =>
        a.InFlight * aPerWeight <= b.InFlight * bPerWeight;
}
