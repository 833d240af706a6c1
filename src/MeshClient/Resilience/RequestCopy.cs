using MeshClient.Forwarding;
using MeshClient.Outbound;
using MeshClient.Telemetry;

namespace MeshClient.Resilience;

/// <summary>
/// A second message for the same request, for while the first is still on its way. Made only then. The content is shared, so it
/// has to be one that several can read at once.
/// </summary>
internal static class RequestCopy
{
    /// <param name="first">The attempt that is on its way; its message is read, never written to.</param>
    /// <param name="address">The address as the app wrote it.</param>
    public static HttpRequestMessage Of(OutboundAttempt first, Uri address)
    {
        var request = first.Request;
        var copy = new HttpRequestMessage(request.Method, address)
        {
            Version = request.Version,
            VersionPolicy = request.VersionPolicy,
            Content = request.Content,
        };
        foreach (var header in request.Headers.NonValidated)
        {
            if (IsOfTheAttempt(first, header.Key))
            {
                continue;
            }

            if (header.Value.Count == 1)
            {
                copy.Headers.TryAddWithoutValidation(header.Key, header.Value.ToString());
            }
            else
            {
                copy.Headers.TryAddWithoutValidation(header.Key, header.Value);
            }
        }

        if (first is { TimeoutHeader: { } name, AppTimeout: { } own })
        {
            copy.Headers.TryAddWithoutValidation(name, own);
        }

        foreach (var (key, value) in (IDictionary<string, object?>)request.Options)
        {
            ((IDictionary<string, object?>)copy.Options)[key] = value;
        }

        return copy;
    }

    // What is left of the deadline, what only instances of the mesh are given, and the span: each attempt has its own.
    private static bool IsOfTheAttempt(OutboundAttempt first, string header) =>
        string.Equals(header, first.TimeoutHeader, StringComparison.OrdinalIgnoreCase)
        || HeaderForwarding.IsOfTheAttempt(first, header)
        || (first.IsTraced && !first.AppSetTrace && TraceHeaders.Include(header));
}
