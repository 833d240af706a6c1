using System.Diagnostics;
using System.Globalization;
using System.Net;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>How a result is told in tags.</summary>
/// <param name="Failure">Why there is no answer; null when there is one.</param>
/// <param name="Response">The answer; null without one.</param>
/// <param name="Judgement">What came of the attempt the result is of; nothing when there was none.</param>
internal readonly record struct Outcome(Exception? Failure, HttpResponseMessage? Response, AttemptOutcome Judgement)
{
    private const string Successful = "success";
    private const string Failed = "failure";
    private const string Throttled = "throttled";
    private const string Cancelled = "cancelled";
    private const string AppFailed = "app_failure";

    // As the gRPC specification writes them.
    private static readonly string[] GrpcNames =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ];

    /// <summary>What came of an attempt, in the words of the call's own failures: a time limit of ours is no cancellation.</summary>
    public static Outcome Of(OutboundAttempt attempt) =>
        new(attempt.Failure is null ? null : CallFailure.Describe(attempt), attempt.Response, attempt.Outcome);

    /// <summary>The status of the answer; 0: there is none. Read once: the app may have the answer by now, and may change it.</summary>
    public int Status { get; } = (int?)Response?.StatusCode ?? 0;

    /// <summary>The status of a gRPC answer; null: it is none, or none has come.</summary>
    public GrpcStatus? GrpcStatus => Judgement.GrpcStatus;

    /// <summary>Whether there is nothing to tell of it but its status.</summary>
    public bool IsGood => Failure is null && Response is not null && Judgement.IsSuccess
        && (GrpcStatus is { } grpc ? grpc == Outbound.GrpcStatus.Ok : Status < (int)HttpStatusCode.BadRequest);

    /// <summary>The result in one word. Without an answer or a failure it was not waited for.</summary>
    private string Word =>
        Judgement.Verdict == AttemptVerdict.AppFailed ? AppFailed
        : Failure is OperationCanceledException || (Failure is null && Response is null) ? Cancelled
        : Failure is not null || Judgement.IsInstanceFailure ? Failed
        : Judgement.IsOverload ? Throttled
        : Successful;

    // OpenTelemetry: a low-cardinality name of the error; for a status, the status itself.
    private string? ErrorType => Failure switch
    {
        MeshCallException mesh => mesh.Reason.ToString(),
        not null => Failure.GetType().Name,
        null when GrpcStatus is { } grpc => grpc == Outbound.GrpcStatus.Ok ? null : GrpcNames[(int)grpc],
        null when Status >= (int)HttpStatusCode.BadRequest => Status.ToString(CultureInfo.InvariantCulture),
        null => null,
    };

    public void AddTo(ref TagList tags)
    {
        tags.Add(MeshTelemetry.OutcomeTag, Word);
        if (Status != 0)
        {
            tags.Add(MeshTelemetry.StatusTag, MeshTelemetry.Box(Status));
        }

        if (GrpcStatus is { } grpc)
        {
            tags.Add(MeshTelemetry.GrpcStatusTag, MeshTelemetry.Box((int)grpc));
        }

        if (ErrorType is { } error)
        {
            tags.Add(MeshTelemetry.ErrorTag, error);
        }
    }

    public void AddTo(Activity activity)
    {
        if (Response is not null)
        {
            activity.AddTag(MeshTelemetry.StatusTag, MeshTelemetry.Box(Status));
            activity.AddTag(MeshTelemetry.ProtocolTag, Response.Version.Major >= 2 ? "2" : "1.1");
        }

        if (GrpcStatus is { } grpc)
        {
            activity.AddTag(MeshTelemetry.GrpcStatusTag, MeshTelemetry.Box((int)grpc));
        }

        if (ErrorType is { } error)
        {
            activity.AddTag(MeshTelemetry.ErrorTag, error);
            activity.SetStatus(ActivityStatusCode.Error, Failure?.Message);
        }
    }
}
