namespace MeshClient.Configuration;

/// <summary>
/// Refuses calls in this process, by chance, once the service has answered many with "overloaded": so many that it gets about
/// <see cref="Multiplier"/> times what it accepts, but at least 1 - <see cref="MaxProbability"/> of the calls, and need not spend its
/// strength on refusing. Google, "Site Reliability Engineering", chapter "Handling Overload". A null property takes the value of the defaults.
/// </summary>
/// <remarks>
/// Off unless switched on, because it remembers: a service that has recovered goes on losing calls for a window or two, one
/// overloaded instance costs calls the others could take, and MeshClient's own refusals cost the service next to nothing.
/// It pays where refusing is dear: services without MeshClient, or those that refuse only after much work.
/// </remarks>
public sealed class MeshThrottlingOptions
{
    /// <summary>Whether it is done. Default: false.</summary>
    public bool? Enabled { get; set; }

    /// <summary>
    /// How many calls may be made per call accepted (Google's K); less refuses sooner. 1.01 to 100. Default:
    /// <see cref="MeshDefaults.ThrottlingMultiplier"/>.
    /// </summary>
    public double? Multiplier { get; set; }

    /// <summary>Over what time calls are counted. 1 s to 1 hour. Default: <see cref="MeshDefaults.ThrottlingWindow"/>.</summary>
    public TimeSpan? Window { get; set; }

    /// <summary>
    /// The greatest share of calls refused here. What is let through is how a recovery is noticed: without a bound (1), a service that
    /// has refused everything for a while gets next to no calls for many minutes after it is well again. 0.01 to 1. Default:
    /// <see cref="MeshDefaults.ThrottlingMaxProbability"/>.
    /// </summary>
    public double? MaxProbability { get; set; }
}
