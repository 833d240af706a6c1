using MeshClient.Configuration;

namespace MeshClient.Resilience;

/// <summary>When calls are refused for the failures of others: what is in force. Immutable.</summary>
internal sealed record CircuitBreakerSettings
{
    // The least that Polly takes.
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Most = TimeSpan.FromDays(1);

    public required double FailureRatio { get; init; }

    public required int MinimumThroughput { get; init; }

    public required TimeSpan SamplingDuration { get; init; }

    public required TimeSpan BreakDuration { get; init; }

    /// <summary>Null when it is not enabled.</summary>
    public static CircuitBreakerSettings? For(MeshCircuitBreakerOptions? own, MeshCircuitBreakerOptions? common) =>
        (own?.Enabled ?? common?.Enabled) != true ? null : new CircuitBreakerSettings
        {
            FailureRatio = own?.FailureRatio ?? common?.FailureRatio ?? MeshDefaults.BreakerFailureRatio,
            MinimumThroughput = own?.MinimumThroughput ?? common?.MinimumThroughput ?? MeshDefaults.BreakerMinimumThroughput,
            SamplingDuration = own?.SamplingDuration ?? common?.SamplingDuration ?? MeshDefaults.BreakerSamplingDuration,
            BreakDuration = own?.BreakDuration ?? common?.BreakDuration ?? MeshDefaults.BreakDuration,
        };

    /// <summary>Finds what is wrong with the options.</summary>
    public static void Check(OptionChecks checks, string key, MeshCircuitBreakerOptions? options)
    {
        checks.Range($"{key}:FailureRatio", options?.FailureRatio, 0.001, 1);
        checks.Range($"{key}:MinimumThroughput", options?.MinimumThroughput, 2, 1_000_000);
        checks.Range($"{key}:SamplingDuration", options?.SamplingDuration, Least, Most);
        checks.Range($"{key}:BreakDuration", options?.BreakDuration, Least, Most);
    }
}
