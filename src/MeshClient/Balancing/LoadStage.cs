using System.Net;
using MeshClient.Health;
using MeshClient.Outbound;

namespace MeshClient.Balancing;

/// <summary>
/// Keeps an instance's load: a call in flight from here until its answer has been read to the end, its latency to the head
/// of the answer. An answer that says "overloaded" or "broken" counts as a slow one, or failing fast would attract calls.
/// A probe that is answered readmits its instance, so what the failures before counted as is forgotten: it starts like one that
/// has just come. The probe's own latency is no measure, since its connection had to be made first.
/// </summary>
internal sealed class LoadStage(TimeProvider time) : AttemptStage("Load", StageScope.Instance)
{
    public override void Enter(OutboundAttempt attempt)
    {
        // The app's picker first: if it throws, nothing has been counted that would have to be taken back.
        attempt.Call.Destination.Service.Balancer.UserPicker?.Started(new MeshInstance(attempt.Instance));
        attempt.Instance.Load.Begin();
    }

    public override void Responded(OutboundAttempt attempt)
    {
        var (load, now) = (attempt.Instance.Load, attempt.RespondedAt);
        var isPenalised = IsPenalised(attempt);
        if (attempt.Admission == Admission.Probe && attempt.Response is not null && !isPenalised)
        {
            load.Restart(
                StartingLatency.Among(attempt.Call.Destination.Callable, attempt.Instance, time.TimestampFrequency, now), now);
            attempt.Call.Destination.Service.Balancer.SlowStart?.Begin(attempt.Instance, now);
            return;
        }

        // A call the app gave up on took at least as long as it waited; that much is known.
        var latency = (double)(now - attempt.StartedAt);
        load.Observe(isPenalised ? Math.Max(latency, attempt.Instance.FailureLatency) : latency, now);
    }

    public override void Ended(OutboundAttempt attempt)
    {
        attempt.Instance.Load.End();
        var balancer = attempt.Call.Destination.Service.Balancer;
        if (balancer.ReadsLoadReports && attempt.Response is { } response && LoadReport.TryRead(response, out var report))
        {
            (attempt.Instance.ReportedWeight ??= new ReportedWeight()).Observe(report, time.GetTimestamp(), time.TimestampFrequency);
        }

        balancer.UserPicker?.Completed(new MeshInstance(attempt.Instance), Outcome(attempt));
    }

    private PickOutcome Outcome(OutboundAttempt attempt) => new(
        attempt.BodyFailure is not null || IsPenalised(attempt) ? PickOutcomeKind.Failure
            : attempt.Response is not null ? PickOutcomeKind.Success
            : PickOutcomeKind.Unknown,
        time.GetElapsedTime(attempt.StartedAt, attempt.RespondedAt),
        attempt.Response?.StatusCode);

    private static bool IsPenalised(OutboundAttempt attempt) =>
        attempt.Response is { } response
            ? response.StatusCode is HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError
            : attempt.FailedAtInstance;
}
