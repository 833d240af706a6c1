using System.Diagnostics;

namespace MeshClient.Telemetry;

/// <summary>The headers in which a request carries its span.</summary>
internal static class TraceHeaders
{
    private static Known _known = new(null, []);

    /// <summary>Whether the request has any of them.</summary>
    public static bool AreIn(HttpRequestMessage request)
    {
        var headers = request.Headers.NonValidated;
        return headers.Count > 0 && Array.Exists(Names(), headers.Contains);
    }

    /// <summary>Whether a header is one of them.</summary>
    public static bool Include(string header) => Names().Contains(header, StringComparer.OrdinalIgnoreCase);

    /// <summary>Takes them off the request.</summary>
    public static void Remove(HttpRequestMessage request)
    {
        if (request.Headers.NonValidated.Count == 0)
        {
            return;
        }

        foreach (var name in Names())
        {
            request.Headers.Remove(name);
        }
    }

    // The app may replace the propagator, but does not do so for every call.
    private static string[] Names()
    {
        var known = Volatile.Read(ref _known);
        var propagator = DistributedContextPropagator.Current;
        if (!ReferenceEquals(known.Propagator, propagator))
        {
            known = new Known(propagator, [.. propagator.Fields]);
            Volatile.Write(ref _known, known);
        }

        return known.Names;
    }

    private sealed record Known(DistributedContextPropagator? Propagator, string[] Names);
}
