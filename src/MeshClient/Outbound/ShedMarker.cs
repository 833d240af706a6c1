using System.Net.Http.Headers;

namespace MeshClient.Outbound;

/// <summary>
/// How an answer says that the call was shed because its service is overloaded, so that it is not repeated at the next
/// instance, which has no more room.
/// </summary>
internal static class ShedMarker
{
    /// <summary>The header we send; any value counts.</summary>
    public const string HeaderName = "mesh-shed";

    // Envoy's local replies of its overload manager and circuit breakers, and Finagle's HTTP nacks.
    private static readonly string[] Others = ["x-envoy-overloaded", "finagle-http-nonretryable-nack"];

    public static bool IsIn(HttpResponseHeaders headers)
    {
        var raw = headers.NonValidated;
        if (raw.Contains(HeaderName))
        {
            return true;
        }

        foreach (var other in Others)
        {
            if (raw.Contains(other))
            {
                return true;
            }
        }

        return false;
    }
}
