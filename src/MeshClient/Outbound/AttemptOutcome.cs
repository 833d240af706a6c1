using System.Runtime.InteropServices;

namespace MeshClient.Outbound;

/// <summary>
/// What came of an attempt, as one judgement for all who act on it: load, ejection, retry, breaker, limits and figures. Made by
/// <see cref="OutcomeClassifier"/>, and only there.
/// </summary>
/// <param name="Verdict">In one word.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct AttemptOutcome(AttemptVerdict Verdict)
{
    /// <summary>The longest <see cref="RetryAfter"/> that is believed: 300 s (Linkerd, load biaser).</summary>
    public static readonly TimeSpan LongestRetryAfter = TimeSpan.FromSeconds(300);

    // Zero for none, so that a fresh value has none; small fields, because every attempt carries this.
    private readonly int _microsecondsAndOne;
    private readonly byte _grpcStatusAndOne;

    /// <summary>
    /// How long the instance asks to be left alone: <c>Retry-After</c> or <c>grpc-retry-pushback-ms</c>, at most
    /// <see cref="LongestRetryAfter"/>. Null: it did not say.
    /// </summary>
    public TimeSpan? RetryAfter
    {
        get => _microsecondsAndOne == 0 ? null : TimeSpan.FromTicks((_microsecondsAndOne - 1) * TimeSpan.TicksPerMicrosecond);
        init => _microsecondsAndOne = value is { } span
            ? (int)(Math.Clamp(span.Ticks, 0, LongestRetryAfter.Ticks) / TimeSpan.TicksPerMicrosecond) + 1
            : 0;
    }

    /// <summary>The status of a gRPC answer. Null: it is no gRPC answer, or its status has not come.</summary>
    public GrpcStatus? GrpcStatus
    {
        get => _grpcStatusAndOne == 0 ? null : (GrpcStatus)(_grpcStatusAndOne - 1);
        init => _grpcStatusAndOne = value is { } status ? (byte)(status + 1) : (byte)0;
    }

    /// <summary>Whether the callee asked not to be tried again, by a pushback below zero (gRPC, A6).</summary>
    public bool ForbidsRetry { get; init; }

    /// <summary>
    /// Whether another instance may do better, as far as the outcome tells; whether the request may be repeated at all is another
    /// question. True for what broke on the way, timed out, or was answered 502, 503, 504 or UNAVAILABLE.
    /// </summary>
    public bool MayDoBetterElsewhere { get; init; }

    /// <summary>False while the status of a gRPC answer has still to come, in its trailers.</summary>
    public bool IsFinal => Verdict != AttemptVerdict.Undecided;

    public bool IsSuccess => Verdict == AttemptVerdict.Success;

    /// <summary>Whether the request reached an instance that is broken.</summary>
    public bool IsInstanceFailure => Verdict is AttemptVerdict.InstanceFailure or AttemptVerdict.Unavailable;

    /// <summary>Whether the instance is alive but wants less: what calls for fewer calls to it, not for none.</summary>
    public bool IsOverload => Verdict is AttemptVerdict.Throttled or AttemptVerdict.Shed;

    /// <summary>Whether it counts as a slow answer, so that failing fast attracts no calls.</summary>
    public bool IsPenalised => IsInstanceFailure || IsOverload || IsConnectFailure;

    /// <summary>Whether no connection could be made, or none that is to be used. The request was not sent.</summary>
    public bool IsConnectFailure => Verdict is AttemptVerdict.ConnectFailure or AttemptVerdict.PeerRefused;
}

/// <summary>What came of an attempt.</summary>
internal enum AttemptVerdict : byte
{
    /// <summary>The head of a gRPC answer is there, its status is not.</summary>
    Undecided,

    /// <summary>The instance answered, be it that the caller was wrong.</summary>
    Success,

    /// <summary>
    /// The connection broke, no answer came in time, or nothing but its head, or the answer was 5xx or its like in gRPC.
    /// </summary>
    InstanceFailure,

    /// <summary>It says that it cannot serve: 503 or UNAVAILABLE.</summary>
    Unavailable,

    /// <summary>No connection could be made. The request was not sent.</summary>
    ConnectFailure,

    /// <summary>The peer could not prove to be the instance. The request was not sent.</summary>
    PeerRefused,

    /// <summary>It says that it was asked too often: 429 or RESOURCE_EXHAUSTED.</summary>
    Throttled,

    /// <summary>It shed the call because it is overloaded, and says so: others of the service are no better off.</summary>
    Shed,

    /// <summary>Nothing about the instance: the app's own request broke, see <see cref="AppFailure"/>.</summary>
    AppFailed,

    /// <summary>
    /// Nothing about the instance: the caller gave up, the deadline passed while the answer was being read, another attempt won, or
    /// this process refused.
    /// </summary>
    NotTelling,
}
