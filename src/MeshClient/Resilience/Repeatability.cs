using System.Net.Http.Json;
using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>
/// Whether an attempt that failed may be made again. Two questions: was it executed, and may it be executed twice?
/// </summary>
/// <remarks>
/// A request that surely never left (no connection, no identity, the instance gone) may be repeated whatever it is: its body has
/// not been touched. Any other may have been executed, so it is repeated only when that does no harm: its method is safe or
/// idempotent (RFC 9110, sections 9.2.1 and 9.2.2), or the app says so by an <c>Idempotency-Key</c> header or the option
/// <see cref="MeshRequestOptions.Idempotent"/>; and when its body can be sent again, which is known of contents that hold
/// their bytes or make them anew, and of no stream.
/// Answers worth another instance are those that say this one cannot serve: 502, 503 and 504; but not one that carries the
/// <see cref="ShedMarker"/>.
/// </remarks>
internal static class Repeatability
{
    private const string IdempotencyKeyHeader = "Idempotency-Key";

    /// <summary>Whether another attempt may be made, and would make sense.</summary>
    public static bool Allows(OutboundAttempt attempt) =>
        attempt.Outcome is { MayDoBetterElsewhere: true, ForbidsRetry: false }
        && ((attempt.Failure is not null && NeverLeft(attempt)) || MayRunTwice(attempt.Call.Request));

    /// <summary>Whether the request surely did not leave this process.</summary>
    public static bool NeverLeft(OutboundAttempt attempt) =>
        attempt.Pool is null
        || attempt.Failure is HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError,
        };

    /// <summary>Whether the request may be executed twice, and can be sent twice.</summary>
    public static bool MayRunTwice(HttpRequestMessage request) =>
        UploadContent.Unwrap(request.Content) is null or ByteArrayContent or ReadOnlyMemoryContent or JsonContent
        && (IsIdempotent(request.Method)
            || request.Headers.NonValidated.Contains(IdempotencyKeyHeader)
            || (request.Options.TryGetValue(MeshRequestOptions.Idempotent, out var marked) && marked));

    private static bool IsIdempotent(HttpMethod method) =>
        method == HttpMethod.Get || method == HttpMethod.Head || method == HttpMethod.Options || method == HttpMethod.Trace
        || method == HttpMethod.Put || method == HttpMethod.Delete;
}
