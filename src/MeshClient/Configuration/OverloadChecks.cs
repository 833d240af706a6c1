using MeshClient.Core.Overload;

namespace MeshClient.Configuration;

/// <summary>Checks the options of overload, on either side of the wire.</summary>
internal static class OverloadChecks
{
    private const int MostCalls = 1_000_000;
    private const double LeastPerSecond = 0.001;

    /// <summary>Checks those of one service called.</summary>
    public static void Check(OptionChecks checks, string key, MeshOverloadOptions options, OverloadSettings inForce)
    {
        checks.Range($"{key}:QueueLength", options.QueueLength, 0, 100_000);
        checks.Range($"{key}:QueueTimeout", options.QueueTimeout, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(5));
        CheckAdaptive(checks, $"{key}:Adaptive", options.Adaptive, inForce.Adaptive);
        CheckRate(checks, $"{key}:RateLimit", options.RateLimit);
        checks.Range($"{key}:Throttling:Multiplier", options.Throttling.Multiplier, 1.01, 100);
        checks.Range($"{key}:Throttling:Window", options.Throttling.Window, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        checks.Range($"{key}:Throttling:MaxProbability", options.Throttling.MaxProbability, 0.01, 1);
    }

    /// <summary>Checks those of a learned limit.</summary>
    public static void CheckAdaptive(
        OptionChecks checks, string key, MeshAdaptiveLimitOptions options, AdaptiveLimitSettings? inForce)
    {
        if (options.Algorithm is { } algorithm)
        {
            checks.OneOf($"{key}:Algorithm", algorithm);
        }

        checks.Range($"{key}:InitialLimit", options.InitialLimit, 1, MostCalls);
        checks.Range($"{key}:MinLimit", options.MinLimit, 1, MostCalls);
        checks.Range($"{key}:MaxLimit", options.MaxLimit, 1, MostCalls);
        checks.Range($"{key}:Window", options.Window, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(1));
        checks.Range($"{key}:LatencyTolerance", options.LatencyTolerance, 1, 10);
        checks.Range($"{key}:BackoffRatio", options.BackoffRatio, 0.5, 0.99);
        checks.Range($"{key}:LatencyLimit", options.LatencyLimit, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(10));
        if (inForce is not null && (inForce.Min > inForce.Initial || inForce.Initial > inForce.Max))
        {
            checks.Add(
                $"{checks.Section}:{key}:MinLimit, InitialLimit and MaxLimit are {inForce.Min}, {inForce.Initial} and {inForce.Max}; each has to be no more than the next.");
        }
    }

    /// <summary>Checks those of a rate.</summary>
    public static void CheckRate(OptionChecks checks, string key, MeshRateLimitOptions options)
    {
        if (options.PerSecond is not 0)
        {
            checks.Range($"{key}:PerSecond", options.PerSecond, LeastPerSecond, MostCalls);
        }

        checks.Range($"{key}:Burst", options.Burst, 1, MostCalls);
    }
}
