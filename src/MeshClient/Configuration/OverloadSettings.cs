using MeshClient.Core.Overload;

namespace MeshClient.Configuration;

/// <summary>The settings of <see cref="MeshOverloadOptions"/> in force for one service. Immutable.</summary>
/// <param name="QueueLength">How many calls may wait.</param>
/// <param name="QueueTimeout">How long each may wait.</param>
/// <param name="Adaptive">How the limit is learned; null: it is not.</param>
/// <param name="Rate">How many calls per second; null: any.</param>
/// <param name="Throttling">How calls are refused that the service would refuse; null: they are not.</param>
internal sealed record OverloadSettings(
    int QueueLength, TimeSpan QueueTimeout, AdaptiveLimitSettings? Adaptive, RateSettings? Rate, ThrottlingSettings? Throttling)
{
    /// <summary>Puts them together; the first that says something wins.</summary>
    public static OverloadSettings For(MeshOverloadOptions? own, MeshOverloadOptions common) => new(
        own?.QueueLength ?? common.QueueLength ?? MeshDefaults.QueueLength,
        own?.QueueTimeout ?? common.QueueTimeout ?? MeshDefaults.QueueTimeout,
        AdaptiveFor(own?.Adaptive, common.Adaptive),
        RateSettings.For(own?.RateLimit, common.RateLimit),
        ThrottlingSettings.For(own?.Throttling, common.Throttling));

    /// <summary>How a limit is learned; null: it is not.</summary>
    public static AdaptiveLimitSettings? AdaptiveFor(MeshAdaptiveLimitOptions? own, MeshAdaptiveLimitOptions common)
    {
        if (!(own?.Enabled ?? common.Enabled ?? false))
        {
            return null;
        }

        var algorithm = own?.Algorithm ?? common.Algorithm ?? LimitAlgorithm.Gradient2;
        var isVegas = algorithm == LimitAlgorithm.Vegas;
        var (initial, least, most) = (
            own?.InitialLimit ?? common.InitialLimit, own?.MinLimit ?? common.MinLimit, own?.MaxLimit ?? common.MaxLimit);
        var max = most ?? Math.Max(isVegas ? MeshDefaults.VegasMaxLimit : MeshDefaults.MaxLimit, Math.Max(initial ?? 0, least ?? 0));
        var min = least ?? Math.Min(isVegas ? MeshDefaults.VegasMinLimit : MeshDefaults.MinLimit, Math.Min(initial ?? max, max));
        return new AdaptiveLimitSettings(
            algorithm,
            initial ?? Math.Clamp(MeshDefaults.InitialLimit, Math.Min(min, max), max),
            min,
            max,
            own?.Window ?? common.Window ?? MeshDefaults.LimitWindow,
            own?.LatencyTolerance ?? common.LatencyTolerance ?? MeshDefaults.LatencyTolerance,
            own?.BackoffRatio ?? common.BackoffRatio ?? MeshDefaults.BackoffRatio,
            own?.LatencyLimit ?? common.LatencyLimit ?? MeshDefaults.LatencyLimit);
    }
}

/// <summary>A rate of calls in force.</summary>
/// <param name="PerSecond">Calls per second.</param>
/// <param name="Burst">Calls at once.</param>
internal sealed record RateSettings(double PerSecond, int Burst)
{
    /// <summary>Puts it together; null: no limit.</summary>
    public static RateSettings? For(MeshRateLimitOptions? own, MeshRateLimitOptions common) =>
        (own?.PerSecond ?? common.PerSecond ?? 0) is var perSecond and > 0
            ? new RateSettings(perSecond, own?.Burst ?? common.Burst ?? (int)Math.Ceiling(perSecond))
            : null;
}

/// <summary>Adaptive throttling in force.</summary>
/// <param name="Multiplier">Google's K.</param>
/// <param name="Window">Over what time calls are counted.</param>
/// <param name="MaxProbability">The greatest share of calls refused.</param>
internal sealed record ThrottlingSettings(double Multiplier, TimeSpan Window, double MaxProbability)
{
    /// <summary>Puts it together; null: not done.</summary>
    public static ThrottlingSettings? For(MeshThrottlingOptions? own, MeshThrottlingOptions common) =>
        own?.Enabled ?? common.Enabled ?? false
            ? new ThrottlingSettings(
                own?.Multiplier ?? common.Multiplier ?? MeshDefaults.ThrottlingMultiplier,
                own?.Window ?? common.Window ?? MeshDefaults.ThrottlingWindow,
                own?.MaxProbability ?? common.MaxProbability ?? MeshDefaults.ThrottlingMaxProbability)
            : null;
}
