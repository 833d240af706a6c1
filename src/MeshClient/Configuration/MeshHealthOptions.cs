namespace MeshClient.Configuration;

/// <summary>
/// When an instance is left out because its calls fail: <c>Mesh:Defaults:Health</c> for all services,
/// <c>Mesh:Destinations:&lt;service&gt;:Health</c> for one. A null property takes the value of <see cref="MeshOptions.Defaults"/>.
/// </summary>
public sealed class MeshHealthOptions
{
    /// <summary>
    /// How many calls in a row have to fail for an instance to be ejected: broken connections, missing answers, 5xx, and of gRPC
    /// UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS. 1 to 10 000; 0: they are not counted. Default:
    /// <see cref="MeshDefaults.ConsecutiveFailures"/>.
    /// </summary>
    public int? ConsecutiveFailures { get; set; }

    /// <summary>
    /// The share of successes among the calls of the last 30 s or so, below which an instance is ejected; not when its peers are
    /// no better. 0 (never) to 1. Default: <see cref="MeshDefaults.SuccessRate"/>.
    /// </summary>
    public double? SuccessRate { get; set; }

    /// <summary>
    /// How many standard deviations below the mean of its peers' success rates an instance is ejected. 0 (never) to 10. Takes at
    /// least 5 instances with 100 late calls each. Default: <see cref="MeshDefaults.OutlierDeviation"/>.
    /// </summary>
    public double? OutlierDeviation { get; set; }

    /// <summary>
    /// The percentage of failures at which an instance is ejected whatever its peers do. 0 (never) to 100. Takes at least 5
    /// instances with 50 late calls each. Default: <see cref="MeshDefaults.FailurePercentage"/>.
    /// </summary>
    public double? FailurePercentage { get; set; }

    /// <summary>
    /// How long the first ejection lasts; the n-th lasts n times as long. 10 ms to 1 h. A little is added at random. Default:
    /// <see cref="MeshDefaults.BaseEjection"/>. A single failure counts against an instance for as long.
    /// </summary>
    public TimeSpan? BaseEjection { get; set; }

    /// <summary>The longest ejection; not less than <see cref="BaseEjection"/>. 10 ms to 1 day. Default: <see cref="MeshDefaults.MaxEjection"/>.</summary>
    public TimeSpan? MaxEjection { get; set; }

    /// <summary>
    /// The greatest percentage of a service's instances that is ejected at once; but one of two or more always may be, the only
    /// one never. 1 to 100; 0: none is ever ejected. Default: <see cref="MeshDefaults.MaxEjectionPercent"/>.
    /// </summary>
    public int? MaxEjectionPercent { get; set; }

    /// <summary>
    /// The percentage of instances that are in, below which ejections and health checks are ignored. 0 (never) to 100. Instances
    /// no connection can be made to, and those that cannot prove to be the service, stay out. Default:
    /// <see cref="MeshDefaults.PanicPercent"/>.
    /// </summary>
    public int? PanicPercent { get; set; }

    /// <summary>
    /// How long an instance is left alone when a connection to it failed, before a single call tries again; doubled each time it
    /// fails. 10 ms to 10 min; 0: such a failure counts like any other. Default: <see cref="MeshDefaults.ConnectBackoff"/>.
    /// </summary>
    public TimeSpan? ConnectBackoff { get; set; }

    /// <summary>The longest of these times; not less than <see cref="ConnectBackoff"/>. 10 ms to 1 h. Default: <see cref="MeshDefaults.MaxConnectBackoff"/>.</summary>
    public TimeSpan? MaxConnectBackoff { get; set; }

    /// <summary>Health checks this process makes of the instances it calls.</summary>
    public MeshProbeOptions Probe { get; set; } = new();
}
