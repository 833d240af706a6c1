using System.Net;
using MeshClient.Outbound;

namespace MeshClient.Overload;

/// <summary>What an attempt tells of how loaded the service is.</summary>
internal enum LoadSign
{
    /// <summary>Nothing: it was not made, did not arrive, or failed for another reason.</summary>
    None,

    /// <summary>It was served, in the time it took.</summary>
    Served,

    /// <summary>It was refused because the service has too much to do.</summary>
    Refused,

    /// <summary>It was not answered in time.</summary>
    TimedOut,

    /// <summary>The app did not wait for the answer.</summary>
    GivenUp,
}

/// <summary>Judges that.</summary>
internal static class AttemptLoad
{
    public static LoadSign Of(OutboundAttempt attempt)
    {
        if (attempt.Response is { } response)
        {
            return response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable || ShedMarker.IsOn(attempt)
                ? LoadSign.Refused
                : response.StatusCode >= HttpStatusCode.InternalServerError ? LoadSign.None : LoadSign.Served;
        }

        return attempt.Failure is not OperationCanceledException || attempt.Pool is null ? LoadSign.None
            : attempt.Call.Cancellation.IsCancellationRequested ? LoadSign.GivenUp
            : LoadSign.TimedOut;
    }
}
