using MeshClient.Resilience;

namespace MeshClient.Configuration;

/// <summary>How calls are made to a service. A null property takes the value of <see cref="MeshOptions.Defaults"/>.</summary>
public sealed class MeshDestinationOptions
{
    /// <summary>
    /// How long a call may take from its start to the head of the answer, all attempts and pauses together; for a body that is
    /// a stream or longer than 64 KiB, from the end of sending it. 1 ms to 1 day; 0: no limit. An ambient deadline that ends
    /// earlier counts. Default: <see cref="MeshDefaults.CallTimeout"/>.
    /// </summary>
    public TimeSpan? CallTimeout { get; set; }

    /// <summary>
    /// How long one attempt may take to the head of its answer, counted as for <see cref="CallTimeout"/>. 1 ms to 1 day; 0: no limit but the call's. Default:
    /// <see cref="MeshDefaults.AttemptTimeout"/>.
    /// </summary>
    public TimeSpan? AttemptTimeout { get; set; }

    /// <summary>How long connecting may take, TLS included. 1 ms to 5 min. Default: <see cref="MeshDefaults.ConnectTimeout"/>.</summary>
    public TimeSpan? ConnectTimeout { get; set; }

    /// <summary>
    /// How many calls may be in flight at once; more wait in a queue where there is one (<see cref="MeshOverloadOptions.QueueLength"/>), or are refused at once. 1 to 1 000 000. A call is in flight until its answer
    /// has been read to the end or disposed. Default: <see cref="MeshDefaults.MaxConcurrency"/>.
    /// </summary>
    public int? MaxConcurrency { get; set; }

    /// <summary>
    /// How often a call is tried again, at most. 0 (never) to 10. Only calls that are safe to repeat are, and only while the
    /// retry budget lasts. Default: <see cref="MeshDefaults.MaxRetries"/>.
    /// </summary>
    public int? MaxRetries { get; set; }

    /// <summary>Retries allowed per call made, on average. 0 to 10. Default: <see cref="MeshDefaults.RetryBudgetRatio"/>.</summary>
    public double? RetryBudgetRatio { get; set; }

    /// <summary>Retries allowed per second however few calls are made. 0 to 10 000. Default: <see cref="MeshDefaults.RetryBudgetPerSecond"/>.</summary>
    public int? RetryBudgetPerSecond { get; set; }

    /// <summary>
    /// Whether instances that are not in the mesh may be called in plaintext. Default: false, then they are not called at all.
    /// Not needed for <c>http://</c> addresses of the section <c>Services</c>.
    /// </summary>
    public bool? AllowPlaintext { get; set; }

    /// <summary>
    /// Whether calls to mesh instances go over HTTP/2, unless the request demands another version. Default: null, then those that
    /// negotiate it are called over HTTP/2, and those behind a proxy over HTTP/1.1, because nothing is negotiated with these
    /// themselves. True says that they, too, speak it (with prior knowledge: RFC 9113, section 3.3); false: HTTP/1.1.
    /// </summary>
    public bool? PreferHttp2 { get; set; }

    /// <summary>What keeps the service from more calls than it can take, beside <see cref="MaxConcurrency"/>.</summary>
    public MeshOverloadOptions Overload { get; set; } = new();

    /// <summary>How the instance of each attempt is chosen.</summary>
    public MeshBalancingOptions Balancing { get; set; } = new();

    /// <summary>When an instance is left out because its calls fail.</summary>
    public MeshHealthOptions Health { get; set; } = new();

    /// <summary>
    /// What holds where this entry leaves a value open: values set here win over its profile, and both over
    /// <see cref="MeshOptions.Defaults"/>. Default: none.
    /// </summary>
    public MeshProfile? Profile { get; set; }

    /// <summary>What is tried again, and when.</summary>
    public MeshRetryOptions Retry { get; set; } = new();

    /// <summary>Whether slow calls are made a second time.</summary>
    public MeshHedgingOptions Hedging { get; set; } = new();

    /// <summary>Whether calls are refused while too many fail.</summary>
    public MeshCircuitBreakerOptions CircuitBreaker { get; set; } = new();

    /// <summary>What calls take along of the inbound request they are made for. Default: nothing.</summary>
    public MeshForwardOptions Forward { get; set; } = new();

    /// <summary>
    /// What answers in place of a call that failed: with an exception other than its caller's cancellation, or by an answer that
    /// says the service is broken (5xx, or a gRPC failure of the instance). Not asked where the app's own request broke. Set in code.
    /// Null: nothing does. Default: null.
    /// </summary>
    public MeshFallback? Fallback { get; set; }

    /// <summary>
    /// How long <see cref="Fallback"/> may take, from when the call has failed: time of its own, since the call's may be over by then.
    /// After that the call fails with <see cref="Outbound.MeshFailureReason.FallbackTimeout"/>, and what the fallback still brings is disposed. 1 ms to 1
    /// day; 0: no limit. Default: <see cref="MeshDefaults.FallbackTimeout"/>.
    /// </summary>
    public TimeSpan? FallbackTimeout { get; set; }
}
