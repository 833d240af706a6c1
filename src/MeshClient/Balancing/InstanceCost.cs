namespace MeshClient.Balancing;

/// <summary>What it costs to send a call to an instance, smaller is better. Static, so that a comparison is no virtual call.</summary>
internal interface IInstanceCost
{
    /// <param name="load">The instance's load.</param>
    /// <param name="perWeight">The greatest weight of all divided by the instance's own; 1 when all are the same.</param>
    /// <param name="now">The present timestamp.</param>
    static abstract double Of(PeakEwma load, double perWeight, long now);
}

/// <summary>The latency expected, times the calls in flight and the next one: <see cref="PeakEwma"/>.</summary>
internal readonly struct LatencyCost : IInstanceCost
{
    public static double Of(PeakEwma load, double perWeight, long now) => load.Cost(perWeight, now);
}

/// <summary>The calls in flight: least request (Envoy, load_balancing_policies/least_request; gRPC A48).</summary>
internal readonly struct InFlightCost : IInstanceCost
{
    public static double Of(PeakEwma load, double perWeight, long now) => load.InFlight * perWeight;
}
