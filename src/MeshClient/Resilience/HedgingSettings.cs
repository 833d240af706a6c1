using MeshClient.Configuration;

namespace MeshClient.Resilience;

/// <summary>When a slow call is made a second time: what is in force. Immutable.</summary>
internal sealed record HedgingSettings
{
    public static readonly TimeSpan LeastDelay = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);
    private const double Percent = 100;

    /// <summary>Null: learned.</summary>
    public required TimeSpan? Delay { get; init; }

    /// <summary>The share of calls that are over before the delay is, 0 to 1.</summary>
    public required double Quantile { get; init; }

    public required double BudgetRatio { get; init; }

    public required int MaxHedges { get; init; }

    /// <summary>Null when it is not enabled.</summary>
    public static HedgingSettings? For(MeshHedgingOptions? own, MeshHedgingOptions? common)
    {
        if ((own?.Enabled ?? common?.Enabled) != true)
        {
            return null;
        }

        var percentile = own?.Percentile ?? common?.Percentile ?? MeshDefaults.HedgingPercentile;
        return new HedgingSettings
        {
            // Whichever of the two ways to set a delay is the nearer one.
            Delay = own?.Delay ?? (own?.Percentile is null ? common?.Delay : null),
            Quantile = percentile / Percent,
            BudgetRatio = own?.BudgetRatio ?? common?.BudgetRatio ?? Math.Round(1 - (percentile / Percent), 6),
            MaxHedges = own?.MaxHedges ?? common?.MaxHedges ?? MeshDefaults.MaxHedges,
        };
    }

    /// <summary>Finds what is wrong with the options.</summary>
    public static void Check(OptionChecks checks, string key, MeshHedgingOptions? options)
    {
        checks.Range($"{key}:Delay", options?.Delay, LeastDelay, LongestDelay);
        checks.Range($"{key}:Percentile", options?.Percentile, 50, 99.9);
        checks.Range($"{key}:BudgetRatio", options?.BudgetRatio, 0.001, 1);
        checks.Range($"{key}:MaxHedges", options?.MaxHedges, 1, 4);
    }
}
