namespace MeshClient.Configuration;

/// <summary>A limit of calls per second: a token bucket. More are refused at once.</summary>
public class MeshRateLimitOptions
{
    /// <summary>
    /// How many calls per second, on average. 0.001 to 1 000 000; 0: no limit, for a service whose defaults have one. Null: what
    /// the defaults say. Default: no limit.
    /// </summary>
    public double? PerSecond { get; set; }

    /// <summary>
    /// How many calls at once after a pause: the size of the bucket. 1 to 1 000 000. Null: what the defaults say, else as many as
    /// one second gives, but at least 1.
    /// </summary>
    public int? Burst { get; set; }
}
