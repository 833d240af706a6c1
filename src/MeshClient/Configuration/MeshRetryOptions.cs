namespace MeshClient.Configuration;

/// <summary>
/// What of a service's calls is tried again, and when. How often is <see cref="MeshDestinationOptions.MaxRetries"/>, how many in all
/// <see cref="MeshDestinationOptions.RetryBudgetRatio"/> and <see cref="MeshDestinationOptions.RetryBudgetPerSecond"/>. A null property
/// takes the value of <see cref="MeshOptions.Defaults"/>.
/// </summary>
public sealed class MeshRetryOptions
{
    /// <summary>
    /// The HTTP statuses of answers that are worth another attempt, if the request may be executed twice. 400 to 599. An answer
    /// that says the service is overloaded is never. Empty: none. Default: <see cref="MeshDefaults.RetryStatuses"/>.
    /// </summary>
    public IList<int>? Statuses { get; set; }

    /// <summary>
    /// The same for gRPC, by the names of its status codes, such as <c>UNAVAILABLE</c>. Only a status in the head of the answer
    /// counts ("trailers only"): behind a message it is too late. Empty: none. Default:
    /// <see cref="MeshDefaults.RetryGrpcStatuses"/>.
    /// </summary>
    public IList<string>? GrpcStatuses { get; set; }

    /// <summary>
    /// Endpoints that may be executed twice, whatever their method: a path, with <c>*</c> for anything but a slash and <c>**</c> for
    /// anything, <c>{id}</c> for a whole part between slashes that is not empty, <c>{id:int}</c>, <c>:long</c>, <c>:guid</c>, <c>:alpha</c> or
    /// <c>:bool</c> for one that is such a value, and before it a method if it is to hold for that only: <c>POST /quotes/*/preview</c>. A
    /// gRPC method is the path <c>/package.Service/Method</c>. Compared with case. Default: none.
    /// </summary>
    /// <remarks>
    /// For services that do not say so themselves: see <see cref="UseIdempotencyMetadata"/>.
    /// </remarks>
    public IList<string>? RepeatableEndpoints { get; set; }

    /// <summary>
    /// Whether calls are repeated, and hedged, whose endpoint the service itself has marked as idempotent (<c>[MeshIdempotent]</c>,
    /// <c>AsIdempotent()</c>, <c>idempotency_level</c> of a gRPC method). It is believed when every instance says so that could get the
    /// repeated call: while an older version without the mark still runs, none is repeated for it. False: only what this side knows
    /// counts. Default: true, because the service is the one that knows, and harms nobody but itself if it is wrong.
    /// </summary>
    public bool? UseIdempotencyMetadata { get; set; }

    /// <summary>
    /// Whether a body that is a stream, or of a kind unknown here, is kept while it is being sent, so that it can be sent
    /// again; up to <see cref="MaxReplayBytes"/>, longer ones are not. A request can ask for the same by
    /// <see cref="Resilience.MeshRequestOptions.ReplayBody"/>. Not needed for contents that hold their bytes. Default: false.
    /// </summary>
    public bool? ReplayStreams { get; set; }

    /// <summary>How long a body may be to be kept, in bytes. 1 to 16 MiB. Default: <see cref="MeshDefaults.MaxReplayBytes"/>.</summary>
    public int? MaxReplayBytes { get; set; }

    /// <summary>
    /// The first retry comes after a random time up to this, each further one after up to twice as long as the one before. 0 (at
    /// once) to 1 min. Default: <see cref="MeshDefaults.RetryBaseDelay"/>.
    /// </summary>
    public TimeSpan? BaseDelay { get; set; }

    /// <summary>
    /// The most of that random time. 0 to 10 min. An instance that asks for a longer pause (<c>Retry-After</c>,
    /// <c>grpc-retry-pushback-ms</c>) gets it, or there is no retry when the call's time would be over by then. Default:
    /// <see cref="MeshDefaults.RetryMaxDelay"/>.
    /// </summary>
    public TimeSpan? MaxDelay { get; set; }
}
