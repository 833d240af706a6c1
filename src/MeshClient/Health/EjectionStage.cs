using MeshClient.Outbound;

namespace MeshClient.Health;

/// <summary>
/// Feeds an instance's health with what came of the call. A failure counts as soon as it is known; a success only once the
/// answer has been read, because a connection can break in the middle of a body; but a probe's success readmits at once, since
/// a stream may never end.
/// </summary>
internal sealed class EjectionStage(TimeProvider time) : AttemptStage("Ejection", StageScope.Instance, StagePhases.Responded | StagePhases.Ended)
{
    public override void Responded(OutboundAttempt attempt)
    {
        if (!attempt.Outcome.IsSuccess)
        {
            Report(attempt, attempt.Admission, attempt.RespondedAt);
        }
        else if (attempt.Admission != Admission.Ordinary)
        {
            attempt.Instance.Ejection.Succeeded(attempt.Admission, attempt.StartedAt, attempt.RespondedAt);
        }
    }

    public override void Ended(OutboundAttempt attempt)
    {
        // Whoever was judged by the head is a probe no more.
        var admission = attempt.HeadVerdict == AttemptVerdict.Undecided ? attempt.Admission : Admission.Ordinary;
        if (attempt.Outcome.IsSuccess && !attempt.Instance.IsSuspect)
        {
            attempt.Instance.CountSuccess();
        }
        else if (attempt.Outcome.IsSuccess)
        {
            attempt.Instance.Ejection.Succeeded(admission, attempt.StartedAt, attempt.RespondedAt);
        }
        else if (attempt.Outcome.Verdict != attempt.HeadVerdict)
        {
            // By the clock, not from the head of the answer: that may be longer ago than an ejection lasts.
            Report(attempt, admission, time.GetTimestamp());
        }
    }

    private static void Report(OutboundAttempt attempt, Admission admission, long now)
    {
        var (outcome, ejection) = (attempt.Outcome, attempt.Instance.Ejection);
        if (outcome.IsConnectFailure)
        {
            ejection.ConnectFailed(admission, attempt.StartedAt, now, outcome.Verdict == AttemptVerdict.PeerRefused);
        }
        else if (outcome.IsInstanceFailure || (outcome.IsOverload && admission == Admission.Probe))
        {
            // An instance with too much to do is alive, and to leave it out would only overload the next; but it is no time to
            // come back.
            ejection.Failed(admission, attempt.StartedAt, now);
        }
        else if (outcome.IsFinal)
        {
            ejection.ToldNothing(admission, attempt.StartedAt);
        }
        else if (admission != Admission.Ordinary)
        {
            ejection.Answered(admission, attempt.StartedAt, now);
        }
    }
}
