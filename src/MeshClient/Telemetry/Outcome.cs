using System.Diagnostics;
using System.Net;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>How a result is told in tags.</summary>
internal static class Outcome
{
    private const string Success = "success";
    private const string Failure = "failure";
    private const string Cancelled = "cancelled";

    /// <summary>The result in one word.</summary>
    public static string Of(Exception? failure, int status) =>
        failure is OperationCanceledException ? Cancelled
        : failure is not null || status >= (int)HttpStatusCode.InternalServerError ? Failure
        : Success;

    public static void AddResult(ref TagList tags, Exception? failure, int status)
    {
        if (status != 0)
        {
            tags.Add(MeshTelemetry.StatusTag, MeshTelemetry.Box(status));
        }

        if (ErrorType(failure, status) is { } error)
        {
            tags.Add(MeshTelemetry.ErrorTag, error);
        }
    }

    public static void SetResult(Activity activity, Exception? failure, int status)
    {
        if (status != 0)
        {
            activity.SetTag(MeshTelemetry.StatusTag, MeshTelemetry.Box(status));
        }

        if (ErrorType(failure, status) is { } error)
        {
            activity.SetTag(MeshTelemetry.ErrorTag, error);
            activity.SetStatus(ActivityStatusCode.Error, failure?.Message);
        }
    }

    // OpenTelemetry: a low-cardinality name of the error; for an HTTP status, the status itself.
    private static string? ErrorType(Exception? failure, int status) => failure switch
    {
        MeshCallException mesh => mesh.Reason.ToString(),
        not null => failure.GetType().Name,
        null when status >= (int)HttpStatusCode.BadRequest => status.ToString(System.Globalization.CultureInfo.InvariantCulture),
        null => null,
    };
}
