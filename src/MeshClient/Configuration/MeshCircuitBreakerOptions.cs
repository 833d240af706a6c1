namespace MeshClient.Configuration;

/// <summary>
/// Whether calls to a service are refused at once while too many of them fail, retries included: for when all instances fail,
/// since a single one that fails is left out anyway. After a while one call is let through; if it succeeds all are. A null
/// property takes the value of <see cref="MeshOptions.Defaults"/>. See <see cref="Resilience.MeshCircuitBreakers"/> for doing it by
/// hand.
/// </summary>
public sealed class MeshCircuitBreakerOptions
{
    /// <summary>Whether. Default: false.</summary>
    public bool? Enabled { get; set; }

    /// <summary>The share of failed calls at which it opens. 0.001 to 1. Default: <see cref="MeshDefaults.BreakerFailureRatio"/>.</summary>
    public double? FailureRatio { get; set; }

    /// <summary>
    /// How many calls there must have been in <see cref="SamplingDuration"/> for it to open. 2 to 1 000 000. Default:
    /// <see cref="MeshDefaults.BreakerMinimumThroughput"/>.
    /// </summary>
    public int? MinimumThroughput { get; set; }

    /// <summary>Over what time calls are counted. 500 ms to 1 day. Default: <see cref="MeshDefaults.BreakerSamplingDuration"/>.</summary>
    public TimeSpan? SamplingDuration { get; set; }

    /// <summary>How long it stays open before a call is let through. 500 ms to 1 day. Default: <see cref="MeshDefaults.BreakDuration"/>.</summary>
    public TimeSpan? BreakDuration { get; set; }
}
