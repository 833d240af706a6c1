namespace MeshClient.Configuration;

/// <summary>
/// What keeps a service from more calls than it can take, on this side of the wire. A null property takes the value of the
/// same one in <see cref="MeshOptions.Defaults"/>. How many calls may be in flight at once is
/// <see cref="MeshDestinationOptions.MaxConcurrency"/>, or less where the limit is learned.
/// </summary>
public sealed class MeshOverloadOptions
{
    /// <summary>
    /// How many calls may wait for one in flight to end; 0: none, a call too many is refused at once. The newest goes first, and
    /// one that finds the queue full takes the place of the oldest: under an overload that lasts, a queue served in the order of
    /// arrival makes every call late, this one only those that would be late anyway. 0 to 100 000. Default:
    /// <see cref="MeshDefaults.QueueLength"/>.
    /// </summary>
    public int? QueueLength { get; set; }

    /// <summary>
    /// How long a call waits in the queue at most; less where its deadline ends earlier. 1 ms to 5 min. Default:
    /// <see cref="MeshDefaults.QueueTimeout"/>.
    /// </summary>
    public TimeSpan? QueueTimeout { get; set; }

    /// <summary>Whether and how the limit of calls in flight is learned.</summary>
    public MeshAdaptiveLimitOptions Adaptive { get; set; } = new();

    /// <summary>How many calls may be made per second.</summary>
    public MeshRateLimitOptions RateLimit { get; set; } = new();

    /// <summary>Whether calls are refused here that the service would most likely refuse.</summary>
    public MeshThrottlingOptions Throttling { get; set; } = new();
}
