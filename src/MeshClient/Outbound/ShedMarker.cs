using System.Net.Http.Headers;

namespace MeshClient.Outbound;

/// <summary>
/// How an answer says that the call was shed because its service is overloaded, so that it is not repeated at the next
/// instance, which has no more room. Believed only of instances of the mesh: whoever else answers must not switch off
/// retries.
/// </summary>
internal static class ShedMarker
{
    /// <summary>The header we send; any value counts.</summary>
    public const string HeaderName = "mesh-shed";

    /// <summary>Envoy's header of the same meaning, in the local replies of its overload manager and circuit breakers.</summary>
    public const string EnvoyHeaderName = "x-envoy-overloaded";

    // Envoy's, and Finagle's HTTP nacks.
    private static readonly string[] Others = [EnvoyHeaderName, "finagle-http-nonretryable-nack"];

    /// <summary>Whether an attempt's instance says so among these headers.</summary>
    public static bool IsIn(HttpResponseHeaders headers, OutboundAttempt attempt) =>
        HasAny(headers.NonValidated) && attempt.Instance.IsInMesh;

    private static bool HasAny(HttpHeadersNonValidated headers)
    {
        if (headers.Contains(HeaderName))
        {
            return true;
        }

        foreach (var other in Others)
        {
            if (headers.Contains(other))
            {
                return true;
            }
        }

        return false;
    }
}
