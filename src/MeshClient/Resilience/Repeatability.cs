using System.Net;
using System.Net.Http.Json;
using MeshClient.Dialing;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Transport;

namespace MeshClient.Resilience;

/// <summary>
/// Whether an attempt that failed may be made again. Three questions: is that of use, may the request have been executed or may it
/// be executed twice, and can it be sent again?
/// </summary>
/// <remarks>
/// Surely not executed is what never left (no connection, no identity, the instance gone), and what the instance says it has not
/// looked at: a stream it refused, or above the last one it names in a GOAWAY (RFC 9113, sections 6.8 and 8.7). The runtime
/// sends such streams again by itself, to the same instance and at most three times; here it is another's turn.
/// Any other request may have been executed, so it is repeated only when that does no harm: its method is safe or idempotent (RFC
/// 9110, sections 9.2.1 and 9.2.2), or the app says so by an <c>Idempotency-Key</c> header, the option
/// <see cref="MeshRequestOptions.Idempotent"/> or <see cref="Configuration.MeshRetryOptions.RepeatableEndpoints"/>, or the instances
/// say so of the endpoint (<see cref="IdempotentEndpoints"/>): all that could be called now, and the one that was, as it did when it got
/// the call. Since the list may change until the repeated call is made, the instance picked for it is asked once more.
/// A body can be sent again when nothing of it was read, when its content holds its bytes or makes them anew, or when it was
/// kept (<see cref="ReplayContent"/>).
/// An answer that carries the <see cref="ShedMarker"/> is never worth another attempt.
/// </remarks>
internal static class Repeatability
{
    private const string IdempotencyKeyHeader = "Idempotency-Key";
    private const long RefusedStream = 7;

    // How the runtime's handler says, without a code or a cause, that a new HTTP/2 connection was closed, or asked to close, before it was
    // given its first request, and that so was the last it tried.
    private const string NotEstablished = "An HTTP/2 connection could not be established because the server did not complete the HTTP/2 handshake.";
    private const string ShutDown = "The server shut down the connection.";

    /// <summary>Whether another attempt may be made, and would make sense.</summary>
    public static bool Allows(OutboundAttempt attempt) =>
        IsWorthAnother(attempt)
        && ((attempt.Failure is not null && WasNotExecuted(attempt)) || MayRunAgain(attempt))
        && CanBeSentAgain(attempt);

    /// <summary>Whether another instance may do better, and nobody objects.</summary>
    public static bool IsWorthAnother(OutboundAttempt attempt)
    {
        var outcome = attempt.Outcome;
        return attempt.Response is not { } response
            ? outcome.MayDoBetterElsewhere
            : outcome is { ForbidsRetry: false, Verdict: not (AttemptVerdict.Shed or AttemptVerdict.Undecided) }
                && ((int)response.StatusCode >= (int)HttpStatusCode.BadRequest || outcome.GrpcStatus is not (null or GrpcStatus.Ok))
                && attempt.Call.Destination.Service.Settings.Retry.IsRetryable((int)response.StatusCode, outcome.GrpcStatus);
    }

    /// <summary>Whether the request surely did not leave this process.</summary>
    public static bool NeverLeft(OutboundAttempt attempt) =>
        attempt.Pool is null
        || attempt.Failure is HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError,
        }
        || WasGivenNoConnection(attempt);

    /// <summary>Whether the request may be executed twice, wherever it goes.</summary>
    public static bool MayRunTwice(OutboundCall call) => IsMarked(call) || call.Destination.SaysIdempotent(call.Request);

    /// <summary>Whether the request may be executed once more, after or beside an attempt that may have been executed.</summary>
    public static bool MayRunAgain(OutboundAttempt attempt)
    {
        var call = attempt.Call;
        if (IsMarked(call))
        {
            return true;
        }

        if (!call.Destination.SaysIdempotent(call.Request)
            || !SaysIdempotent(attempt.Instance, call)
            || call.Destination.Service.Idempotency!.HasChangedSince(attempt.StartedAt))
        {
            return false;
        }

        call.BelieveInstances();
        return true;
    }

    /// <summary>Whether an instance may get a call again that others may have executed.</summary>
    public static bool MayGoTo(InstanceState instance, OutboundCall call) => !call.BelievesInstances || SaysIdempotent(instance, call);

    /// <summary>Whether the request may be executed twice as far as this side knows.</summary>
    public static bool IsMarked(OutboundCall call) => call.IsMarked ??= FindMark(call);

    private static bool SaysIdempotent(InstanceState instance, OutboundCall call) =>
        call.Destination.Service.Idempotency is { } published && published.Of(instance.Description).Contain(call.Request);

    private static bool WasNotExecuted(OutboundAttempt attempt) =>
        NeverLeft(attempt)
        || attempt.Failure is HttpRequestException { HttpRequestError: HttpRequestError.HttpProtocolError, InnerException: HttpProtocolException reset } failure
            // What a GOAWAY left out has its code and no mark that can be seen; but the runtime words it otherwise than what
            // broke in the middle, for which it repeats the words of the cause.
            && (reset.ErrorCode == RefusedStream || failure.Message != reset.Message);

    // What fails a request that was given a connection has a code or a cause, but for what its own body does. Other words than these are
    // taken for that: it is not sent again then.
    private static bool WasGivenNoConnection(OutboundAttempt attempt) => attempt.Failure is HttpRequestException failure && (
        failure.InnerException is IOException { InnerException: UnusedConnectionException }
        || (failure is { HttpRequestError: HttpRequestError.Unknown, InnerException: null, Message: NotEstablished or ShutDown }
            && attempt.Request.Content is not JsonContent { Value: IAsyncEnumerable<object> }));

    private static bool CanBeSentAgain(OutboundAttempt attempt) =>
        UploadContent.Unwrap(attempt.Request.Content) switch
        {
            null or ByteArrayContent or ReadOnlyMemoryContent or JsonContent => true,
            ReplayContent replay => replay.CanBeSent,
            _ => !attempt.BodyBegun,
        };

    private static bool FindMark(OutboundCall call)
    {
        var request = call.Request;
        return IsIdempotent(request.Method)
            // A connection that is open and was not used has done nothing.
            || request is DialRequest
            || request.Headers.NonValidated.Contains(IdempotencyKeyHeader)
            || (request.Options.TryGetValue(MeshRequestOptions.Idempotent, out var marked) && marked)
            || call.Destination.Service.Settings.Retry.IsRepeatable(request);
    }

    private static bool IsIdempotent(HttpMethod method) =>
        method == HttpMethod.Get || method == HttpMethod.Head || method == HttpMethod.Options || method == HttpMethod.Trace
        || method == HttpMethod.Put || method == HttpMethod.Delete;
}
