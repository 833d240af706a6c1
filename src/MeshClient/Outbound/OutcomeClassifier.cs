using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using MeshClient.Resilience;
using MeshClient.Transport;

namespace MeshClient.Outbound;

/// <summary>Judges what came of an attempt.</summary>
/// <remarks>
/// A gRPC answer is judged by its <c>grpc-status</c>, in the head ("trailers only") or in the trailers at the end of its body;
/// that it came with 200 says nothing (grpc/grpc, doc/PROTOCOL-HTTP2.md). Which statuses are failures of the instance follows
/// what Envoy takes them for as HTTP: 5xx for UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS, 429 for
/// RESOURCE_EXHAUSTED; but UNIMPLEMENTED is an answer like 404. CANCELLED tells nothing: it is mostly the caller's own.
/// </remarks>
internal static class OutcomeClassifier
{
    /// <summary>Where a gRPC answer has its status.</summary>
    public const string GrpcStatusHeader = "grpc-status";

    private const string GrpcPushbackHeader = "grpc-retry-pushback-ms";

    /// <summary>Judges by the head of the answer, or the failure that came instead.</summary>
    public static AttemptOutcome AtHead(OutboundAttempt attempt, TimeProvider time)
    {
        if (attempt.Response is not { } response)
        {
            return OfFailure(attempt);
        }

        var status = (int)response.StatusCode;
        return status < 400
            ? MayBeGrpc(attempt.Call.Request) && GrpcContentType.IsOf(response.Content) ? OfGrpc(attempt, response, response.Headers, time) ?? default : new(AttemptVerdict.Success)
            : OfError(attempt, response, time);
    }

    /// <summary>Judges again when the answer has been read to the end or was thrown away.</summary>
    /// <param name="attempt">The attempt, with what was thought of it at the head.</param>
    /// <param name="time">The clock.</param>
    public static AttemptOutcome AtEnd(OutboundAttempt attempt, TimeProvider time) =>
        attempt.BodyFailure is { } failure ? OfBody(attempt, failure)
        : attempt.Outcome.IsFinal ? attempt.Outcome
        : attempt.Response is { } response && OfGrpc(attempt, response, response.TrailingHeaders, time) is { } outcome
            // The head of the answer has been handed on, and with it the chance to repeat.
            ? outcome with { MayDoBetterElsewhere = false }
            : new(AttemptVerdict.NotTelling);

    /// <summary>Whether the answer to a request can be one of gRPC, whose status may come after its head.</summary>
    /// <remarks>Calls of gRPC are POSTs with a body, which spares all others the look at a header.</remarks>
    public static bool MayBeGrpc(HttpRequestMessage request) => request.Content is not null && request.Method == HttpMethod.Post;

    private static AttemptOutcome OfFailure(OutboundAttempt attempt)
    {
        var failure = attempt.Failure;
        if (failure is null or MeshCallException || attempt.IsSuperseded || attempt.Call.Cancellation.IsCancellationRequested)
        {
            return new(AttemptVerdict.NotTelling);
        }

        if ((attempt.AppFailure = AppFailure.Of(attempt)) is not null)
        {
            return new(AttemptVerdict.AppFailed);
        }

        var verdict = failure.InnerException is PeerIdentityException ? AttemptVerdict.PeerRefused
            : Repeatability.NeverLeft(attempt) ? AttemptVerdict.ConnectFailure
            : AttemptVerdict.InstanceFailure;
        return new(verdict) { MayDoBetterElsewhere = true };
    }

    // What has been read cannot be taken back from the reader: not to be repeated.
    private static AttemptOutcome OfBody(OutboundAttempt attempt, Exception failure) =>
        (attempt.AppFailure = AppFailure.Of(attempt)) is not null ? new(AttemptVerdict.AppFailed)
        : failure is not OperationCanceledException ? new(AttemptVerdict.InstanceFailure)
        // Cut off from this side: an instance that stalls after a good head has neither failed nor done well, where it is not a
        // StalledAnswer.
        : attempt.Outcome is { IsFinal: true, IsSuccess: false } ? attempt.Outcome
        : new(AttemptVerdict.NotTelling);

    private static AttemptOutcome OfError(OutboundAttempt attempt, HttpResponseMessage response, TimeProvider time)
    {
        var verdict = response.StatusCode switch
        {
            HttpStatusCode.TooManyRequests => AttemptVerdict.Throttled,
            HttpStatusCode.ServiceUnavailable => AttemptVerdict.Unavailable,
            < HttpStatusCode.InternalServerError => AttemptVerdict.Success,
            _ => AttemptVerdict.InstanceFailure,
        };
        // Read whatever the status: which of them are tried again is the app's to say.
        var retryAfter = RetryAfterOf(response.Headers, time);
        if (verdict is AttemptVerdict.Success or AttemptVerdict.InstanceFailure)
        {
            return new(verdict)
            {
                RetryAfter = retryAfter,
                MayDoBetterElsewhere = response.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.GatewayTimeout,
            };
        }

        var isShed = ShedMarker.IsIn(response.Headers, attempt);
        return new(isShed ? AttemptVerdict.Shed : verdict)
        {
            RetryAfter = retryAfter,
            MayDoBetterElsewhere = !isShed && verdict is AttemptVerdict.Unavailable,
        };
    }

    // Null: the status is not among these headers.
    private static AttemptOutcome? OfGrpc(
        OutboundAttempt attempt, HttpResponseMessage response, HttpResponseHeaders headers, TimeProvider time)
    {
        if (!headers.NonValidated.TryGetValues(GrpcStatusHeader, out var values))
        {
            return null;
        }

        // Codes beyond those known are to be taken for UNKNOWN.
        var status = byte.TryParse(values.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var code)
            && code <= (byte)GrpcStatus.Unauthenticated ? (GrpcStatus)code : GrpcStatus.Unknown;
        var verdict = status switch
        {
            GrpcStatus.Cancelled => AttemptVerdict.NotTelling,
            GrpcStatus.ResourceExhausted => AttemptVerdict.Throttled,
            GrpcStatus.Unavailable => AttemptVerdict.Unavailable,
            GrpcStatus.Unknown or GrpcStatus.DeadlineExceeded or GrpcStatus.Internal or GrpcStatus.DataLoss => AttemptVerdict.InstanceFailure,
            _ => AttemptVerdict.Success,
        };
        if (status == GrpcStatus.Ok)
        {
            return new(verdict) { GrpcStatus = status };
        }

        var isShed = verdict is AttemptVerdict.Throttled or AttemptVerdict.Unavailable
            && (ShedMarker.IsIn(response.Headers, attempt) || ShedMarker.IsIn(headers, attempt));
        var (pushback, forbids) = PushbackOf(headers);
        return new(isShed ? AttemptVerdict.Shed : verdict)
        {
            GrpcStatus = status,
            RetryAfter = pushback ?? RetryAfterOf(response.Headers, time),
            ForbidsRetry = forbids,
            MayDoBetterElsewhere = !isShed && verdict is AttemptVerdict.Unavailable,
        };
    }

    // RFC 9110, section 10.2.3: a number of seconds, or a date.
    private static TimeSpan? RetryAfterOf(HttpResponseHeaders headers, TimeProvider time) =>
        headers.RetryAfter is not { } value ? null
        : value.Delta ?? (value.Date is { } date ? date - time.GetUtcNow() : null);

    // gRPC, A6: a number that is negative, or none at all, means "do not".
    private static (TimeSpan? Delay, bool Forbids) PushbackOf(HttpResponseHeaders headers) =>
        !headers.NonValidated.TryGetValues(GrpcPushbackHeader, out var values) ? (null, false)
        : int.TryParse(values.ToString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds >= 0
            ? (TimeSpan.FromMilliseconds(milliseconds), false)
            : (null, true);
}
