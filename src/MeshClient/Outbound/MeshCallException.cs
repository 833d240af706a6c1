namespace MeshClient.Outbound;

/// <summary>Why a call failed.</summary>
public enum MeshFailureReason
{
    /// <summary>The registry did not tell in time which instances the service has, and none are known from before.</summary>
    DiscoveryFailed,

    /// <summary>The service has no instance that may be called.</summary>
    NoInstances,

    /// <summary>This process has no certificate to show.</summary>
    NoIdentity,

    /// <summary>The host is none of the mesh, and only calls inside the mesh are allowed.</summary>
    OutsideMesh,

    /// <summary>
    /// As many calls to the service are in flight as may be, and there is no queue (<see cref="Configuration.MeshDestinationOptions.MaxConcurrency"/>,
    /// or less where the limit is learned). The request was not sent. With a queue: <see cref="QueueFull"/> and <see cref="QueueTimeout"/>.
    /// </summary>
    Overloaded,

    /// <summary>More calls per second than the app's own limit allows. The request was not sent.</summary>
    RateLimited,

    /// <summary>No connection could be made to the instance. The request was not sent.</summary>
    ConnectFailed,

    /// <summary>The instance could not prove to be the service. The request was not sent.</summary>
    PeerRefused,

    /// <summary>The connection broke, or the answer could not be understood. The request may have been executed.</summary>
    TransportFailed,

    /// <summary>An attempt got no answer in time. The request may have been executed.</summary>
    AttemptTimeout,

    /// <summary>The call's time was over. The request may have been executed.</summary>
    DeadlineExceeded,

    /// <summary>The call demands what calls into the mesh cannot do, such as HTTP/3. The request was not sent.</summary>
    Unsupported,

    /// <summary>The app's own <see cref="Balancing.IInstancePicker"/> did not choose. The request was not sent.</summary>
    PickFailed,

    /// <summary>
    /// An attempt failed, and another was wanted but not in the retry budget of the service. Why it failed stands in the inner
    /// exception.
    /// </summary>
    RetryBudgetExhausted,

    /// <summary>Too many calls to the service failed, or it was isolated by hand. The request was not sent.</summary>
    CircuitOpen,

    /// <summary>
    /// The call failed, and the app's own <see cref="Configuration.MeshDestinationOptions.Fallback"/> did not answer in time. Why the call failed
    /// stands in the inner exception, when it was an exception.
    /// </summary>
    FallbackTimeout,

    /// <summary>
    /// It waited for a call in flight to end, and newer calls filled the queue
    /// (<see cref="Configuration.MeshOverloadOptions.QueueLength"/>). The request was not sent.
    /// </summary>
    QueueFull,

    /// <summary>
    /// It waited for a call in flight to end, and none did in time (<see cref="Configuration.MeshOverloadOptions.QueueTimeout"/>). The
    /// request was not sent. Where the call's own time was over first: <see cref="DeadlineExceeded"/>.
    /// </summary>
    QueueTimeout,

    /// <summary>
    /// The service refuses most calls for overload at present, so this one was refused here
    /// (<see cref="Configuration.MeshOverloadOptions.Throttling"/>). The request was not sent.
    /// </summary>
    Throttled,
}

/// <summary>
/// A call into the mesh failed. An <see cref="HttpRequestException"/>, so code that handles failing calls already handles it.
/// Cancellation by the caller is no failure: that stays an <see cref="OperationCanceledException"/>.
/// </summary>
public sealed class MeshCallException : HttpRequestException
{
    internal MeshCallException(
        MeshFailureReason reason, string service, string stage, string message, Exception? innerException = null)
        : base(innerException is MeshCallException cause ? cause.HttpRequestError : ErrorOf(reason), message, innerException)
    {
        Reason = reason;
        Service = service;
        Stage = stage;
    }

    /// <summary>Why.</summary>
    public MeshFailureReason Reason { get; }

    /// <summary>The service that was called.</summary>
    public string Service { get; }

    /// <summary>The stage of the pipeline that failed.</summary>
    public string Stage { get; }

    /// <summary>The instance of the last attempt; null when there was no attempt.</summary>
    public string? Instance { get; internal init; }

    /// <summary>How many attempts were made.</summary>
    public int Attempts { get; internal init; }

    private static HttpRequestError ErrorOf(MeshFailureReason reason) => reason switch
    {
        MeshFailureReason.DiscoveryFailed or MeshFailureReason.NoInstances => HttpRequestError.NameResolutionError,
        MeshFailureReason.NoIdentity or MeshFailureReason.PeerRefused => HttpRequestError.SecureConnectionError,
        MeshFailureReason.ConnectFailed => HttpRequestError.ConnectionError,
        _ => HttpRequestError.Unknown,
    };
}
