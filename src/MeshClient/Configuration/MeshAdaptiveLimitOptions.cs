using MeshClient.Core.Overload;

namespace MeshClient.Configuration;

/// <summary>
/// A limit of calls in flight that is learned from how long calls take and whether they are dropped. A null property takes the
/// value of the section's defaults, and a bound that was not set gives way to one that was.
/// </summary>
public sealed class MeshAdaptiveLimitOptions
{
    /// <summary>Whether the limit is learned. Default: false, only the fixed one counts.</summary>
    public bool? Enabled { get; set; }

    /// <summary>By which rule. Default: <see cref="LimitAlgorithm.Gradient2"/>.</summary>
    public LimitAlgorithm? Algorithm { get; set; }

    /// <summary>The limit before anything is known. 1 to 1 000 000. Default: <see cref="MeshDefaults.InitialLimit"/>.</summary>
    public int? InitialLimit { get; set; }

    /// <summary>
    /// The least it falls to. 1 to 1 000 000. Default: <see cref="MeshDefaults.MinLimit"/>; 1 for <see cref="LimitAlgorithm.Vegas"/>.
    /// </summary>
    public int? MinLimit { get; set; }

    /// <summary>
    /// The most it grows to, and never beyond the fixed limit beside it. 1 to 1 000 000. Default:
    /// <see cref="MeshDefaults.MaxLimit"/>; <see cref="MeshDefaults.VegasMaxLimit"/> for <see cref="LimitAlgorithm.Vegas"/>.
    /// </summary>
    public int? MaxLimit { get; set; }

    /// <summary>
    /// How long calls are collected before the limit changes; at least 10 calls in any case. 10 ms to 1 min. Default:
    /// <see cref="MeshDefaults.LimitWindow"/>.
    /// </summary>
    public TimeSpan? Window { get; set; }

    /// <summary>
    /// How many times slower than over the last minutes calls may become before the limit shrinks; with less it shrinks sooner. Of
    /// <see cref="LimitAlgorithm.Gradient2"/>; the others do not look at it. 1 to 10. Default: <see cref="MeshDefaults.LatencyTolerance"/>.
    /// </summary>
    public double? LatencyTolerance { get; set; }

    /// <summary>
    /// What the limit is multiplied with when a call was dropped or took too long. Of <see cref="LimitAlgorithm.Aimd"/>; the others
    /// do not look at it. 0.5 to 0.99. Default: <see cref="MeshDefaults.BackoffRatio"/>.
    /// </summary>
    public double? BackoffRatio { get; set; }

    /// <summary>
    /// From what latency on, as the mean of a window, calls took too long. It ends no call. Of <see cref="LimitAlgorithm.Aimd"/>; the
    /// others do not look at it. 1 ms to 10 min. Default: <see cref="MeshDefaults.LatencyLimit"/>.
    /// </summary>
    public TimeSpan? LatencyLimit { get; set; }
}
