using System.Net;
using MeshClient.Outbound;
using MeshClient.Overload;

namespace MeshClient.Health;

/// <summary>
/// Feeds an instance's health with what came of the call. A failure counts as soon as it is known; a success only once the
/// answer has been read, because a connection can break in the middle of a body; but a probe's success readmits at once, since
/// a stream may never end.
/// </summary>
internal sealed class EjectionStage(TimeProvider time) : AttemptStage("Ejection", StageScope.Instance)
{
    public override void Responded(OutboundAttempt attempt)
    {
        if (IsFailure(attempt))
        {
            attempt.Instance.Ejection.Failed(attempt.Admission, attempt.RespondedAt);
        }
        else if (attempt.Admission == Admission.Probe && attempt.Response is not null)
        {
            attempt.Instance.Ejection.Succeeded(attempt.Admission);
        }
    }

    public override void Ended(OutboundAttempt attempt)
    {
        if (attempt.BodyFailure is not null)
        {
            // By the clock, not from the head of the answer: that may be longer ago than an ejection lasts.
            attempt.Instance.Ejection.Failed(Admission.Ordinary, time.GetTimestamp());
        }
        else if (attempt.Response is not null && !IsFailure(attempt))
        {
            attempt.Instance.Ejection.Succeeded(Admission.Ordinary);
        }
    }

    private static bool IsFailure(OutboundAttempt attempt) =>
        attempt.Response is { } response
            ? response.StatusCode >= HttpStatusCode.InternalServerError && !ShedMarker.IsOn(attempt)
            : attempt.FailedAtInstance;
}
