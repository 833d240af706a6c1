using MeshClient.Outbound;

namespace MeshClient.Forwarding;

/// <summary>
/// Gives an instance of the mesh what its call takes along, and takes it off the app's request again: an attempt at another instance,
/// which may be outside the mesh, or a redirect the app follows must not find it there.
/// </summary>
internal static class HeaderForwarding
{
    public static void Write(OutboundAttempt attempt, ForwardableHeader[] forwarded)
    {
        if (!attempt.Instance.IsInMesh)
        {
            return;
        }

        var headers = attempt.Request.Headers;
        var written = 0ul;
        for (var i = 0; i < forwarded.Length; i++)
        {
            var (name, values) = forwarded[i];
            if (!headers.NonValidated.Contains(name) && headers.TryAddWithoutValidation(name, values))
            {
                written |= 1ul << i;
            }
        }

        attempt.ForwardedHeaders = written;
    }

    public static void Restore(OutboundAttempt attempt)
    {
        if (attempt.ForwardedHeaders is var written and not 0)
        {
            foreach (var name in Names(attempt.Call.Forwarded!, written))
            {
                attempt.Request.Headers.Remove(name);
            }

            attempt.ForwardedHeaders = 0;
        }
    }

    /// <summary>Whether a header of an attempt's request is there only for this attempt.</summary>
    public static bool IsOfTheAttempt(OutboundAttempt attempt, string header) =>
        attempt.ForwardedHeaders is var written and not 0
        && Names(attempt.Call.Forwarded!, written).Contains(header, StringComparer.OrdinalIgnoreCase);

    private static IEnumerable<string> Names(ForwardableHeader[] forwarded, ulong written)
    {
        for (var i = 0; i < forwarded.Length; i++)
        {
            if ((written & (1ul << i)) != 0)
            {
                yield return forwarded[i].Name;
            }
        }
    }
}
