namespace MeshClient.Configuration;

/// <summary>
/// Whether a call that takes unusually long is made a second time, at another instance, so that the first answer wins and the
/// other attempt is cancelled. Only calls that may be executed twice are, and none with a body that is a stream or longer than
/// 64 KiB. A null property takes the value of <see cref="MeshOptions.Defaults"/>.
/// </summary>
public sealed class MeshHedgingOptions
{
    /// <summary>Whether. Default: false.</summary>
    public bool? Enabled { get; set; }

    /// <summary>
    /// How long a call may take before it is made a second time. 1 ms to 1 min; it overrides <see cref="Percentile"/>. Null: learned
    /// from the calls made, then no call is made twice until there were enough. Default: null.
    /// </summary>
    public TimeSpan? Delay { get; set; }

    /// <summary>
    /// The share of calls that are answered before the second one would be made, in percent: that latency, learned from the last
    /// 30 s and renewed every 3 s, is the delay; never less than 1 ms. 50 to 99.9. Default:
    /// <see cref="MeshDefaults.HedgingPercentile"/>.
    /// </summary>
    public double? Percentile { get; set; }

    /// <summary>
    /// Second calls allowed per call made, on average: a share of its own, and every one is taken from the retry budget as
    /// well. 0.001 to 1. Null: what <see cref="Percentile"/> leaves, 0.05 for 95. Default: null.
    /// </summary>
    public double? BudgetRatio { get; set; }

    /// <summary>
    /// How many further attempts one call may have, each that much later and at another instance. 1 to 4 (gRPC, A6: five
    /// attempts). Default: <see cref="MeshDefaults.MaxHedges"/>.
    /// </summary>
    public int? MaxHedges { get; set; }
}
