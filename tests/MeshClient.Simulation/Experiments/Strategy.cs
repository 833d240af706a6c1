using MeshClient.Balancing;
using MeshClient.Configuration;

namespace MeshClient.Simulation.Experiments;

/// <summary>One way of calling, with everything else switched off, so that a table shows what each part is worth.</summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Configure">Sets it.</param>
internal sealed record Strategy(string Name, Action<MeshDestinationOptions> Configure)
{
    public static readonly Strategy RoundRobin = new("round robin", options => Bare(options, BalancingPolicy.RoundRobin));
    public static readonly Strategy LeastRequest = new("least request", options => Bare(options, BalancingPolicy.LeastRequest));
    public static readonly Strategy PeakEwma = new("Peak-EWMA", options => Bare(options, BalancingPolicy.PeakEwma));

    public static readonly Strategy PeakEwmaWithEjection = new(
        "Peak-EWMA, ejection", options => Set(options, BalancingPolicy.PeakEwma));

    public static readonly Strategy PeakEwmaWithHedging = new("Peak-EWMA, hedging", options =>
    {
        Bare(options, BalancingPolicy.PeakEwma);
        options.Hedging.Enabled = true;
    });

    public static readonly Strategy RoundRobinWithSlowStart = new(
        "round robin, slow start", options => WithSlowStart(options, BalancingPolicy.RoundRobin));

    public static readonly Strategy PeakEwmaWithSlowStart = new(
        "Peak-EWMA, slow start", options => WithSlowStart(options, BalancingPolicy.PeakEwma));

    public static readonly Strategy PeakEwmaWithAdaptiveLimit = new("Peak-EWMA, adaptive limit in the caller", options =>
    {
        Bare(options, BalancingPolicy.PeakEwma);
        options.Overload.Adaptive.Enabled = true;
    });

    /// <summary>What an app gets that sets nothing but its timeouts.</summary>
    public static readonly Strategy Default = new("all defaults (ejection, 2 retries)", _ => { });

    public override string ToString() => Name;

    /// <summary>A policy and nothing else: one attempt, and nobody is ejected.</summary>
    private static void Bare(MeshDestinationOptions options, BalancingPolicy policy)
    {
        Set(options, policy);
        options.Health.MaxEjectionPercent = 0;
    }

    private static void WithSlowStart(MeshDestinationOptions options, BalancingPolicy policy)
    {
        Bare(options, policy);
        options.Balancing.SlowStart = TimeSpan.FromSeconds(10);
    }

    private static void Set(MeshDestinationOptions options, BalancingPolicy policy)
    {
        options.Balancing.Policy = policy;
        options.MaxRetries = 0;
        options.MaxConcurrency = 1_000_000;
    }
}
