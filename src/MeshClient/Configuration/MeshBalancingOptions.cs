using MeshClient.Balancing;

namespace MeshClient.Configuration;

/// <summary>
/// How the instance of each attempt is chosen: <c>Mesh:Defaults:Balancing</c> for all services,
/// <c>Mesh:Destinations:&lt;service&gt;:Balancing</c> for one. A null property takes the value of <see cref="MeshOptions.Defaults"/>.
/// An app's own <see cref="IInstancePicker"/> wins over all of it.
/// </summary>
public sealed class MeshBalancingOptions
{
    /// <summary>The policy. Default: <see cref="BalancingPolicy.PeakEwma"/>.</summary>
    public BalancingPolicy? Policy { get; set; }

    /// <summary>
    /// What <see cref="BalancingPolicy.RingHash"/> and <see cref="BalancingPolicy.Maglev"/> go by: <c>header:NAME</c>,
    /// <c>cookie:NAME</c>, <c>query:NAME</c> or <c>path</c>; several, joined by commas, are combined. A call that has none of them
    /// goes to a random instance. Has to be set for these two policies; ignored by the others. Default: none.
    /// </summary>
    public string? HashKey { get; set; }

    /// <summary>
    /// With a hash policy: how many times its fair share of the calls in flight an instance may have before its keys go to
    /// others. 1.05 to 10; 0: no bound. Default: 0.
    /// </summary>
    public double? BoundedLoad { get; set; }

    /// <summary>
    /// How many points an instance of weight 1, Consul's default, has on the ring of <see cref="BalancingPolicy.RingHash"/>; one of
    /// weight 10 has ten times as many. With more, keys are shared more evenly, by about 1 / sqrt(points), and a new list takes
    /// longer to take in: a ring of a million points about 0.1 s of one core and 12 MB. What an instance has depends on its own
    /// weight, so that only the keys of those that come or go, or whose weight changes, move. The exception: where all together
    /// would have more than 1 048 576 points, the number is halved, and halved again, until they have not, but for the one that
    /// each keeps. So up to half of all keys move when the sum of the weights rises above, or falls back to, 1 048 576 / RingPoints,
    /// or 2, 4, 8... times that: by default 6 553, 13 107, 26 214... Where that is near, take lesser weights in the same proportion,
    /// or fewer points. 1 to 65 536. Default: <see cref="MeshDefaults.RingPoints"/>.
    /// </summary>
    public int? RingPoints { get; set; }

    /// <summary>
    /// To how many instances this process keeps, out of a large fleet; so each instance has connections from a few callers only.
    /// 2 to 1 000, but in effect never less than <see cref="MeshDefaults.MinAperture"/>; 0: to all. Not with a hash policy.
    /// Default: 0.
    /// </summary>
    public int? Aperture { get; set; }

    /// <summary>
    /// Whether instances in this process's own zone are preferred. Needs <see cref="MeshOptions.Zone"/>. Default:
    /// <see cref="ZonePreference.Off"/>. Not with a hash policy.
    /// </summary>
    public ZonePreference? Zone { get; set; }

    /// <summary>
    /// Over what time an instance that has come, or come back from an ejection, gets its full share. 1 s to 1 h; 0: at once. The
    /// hash policies go without. Default: 0.
    /// </summary>
    public TimeSpan? SlowStart { get; set; }

    /// <summary>
    /// The share of the full one an instance gets at the beginning of <see cref="SlowStart"/>. 0.01 to 1. Default:
    /// <see cref="MeshDefaults.SlowStartMinimum"/>.
    /// </summary>
    public double? SlowStartMinimum { get; set; }

    /// <summary>
    /// How the share grows in <see cref="SlowStart"/>: by age to the power of 1 / aggression. 1: in a straight line; more: fast at
    /// first. 0.1 to 10. Default: <see cref="MeshDefaults.SlowStartAggression"/>.
    /// </summary>
    public double? SlowStartAggression { get; set; }

    /// <summary>
    /// With <see cref="BalancingPolicy.ReportedLoad"/>: how long the first reports of an instance do not count. 0 to 1 h. Default:
    /// <see cref="MeshDefaults.ReportBlackout"/>.
    /// </summary>
    public TimeSpan? ReportBlackout { get; set; }
}
