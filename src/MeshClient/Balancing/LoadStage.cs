using MeshClient.Configuration;
using MeshClient.Health;
using MeshClient.Outbound;

namespace MeshClient.Balancing;

/// <summary>
/// Keeps an instance's load: a call in flight from here until its answer has been read to the end, its latency to the head
/// of the answer. A failure and an answer that says "overloaded" or "broken" count as slow ones, or failing fast would attract
/// calls: as long as the instance wants to be left alone, by <c>Retry-After</c> or gRPC's pushback, or else
/// <see cref="MeshDefaults.FailureLatency"/>. That lasts as long as a first ejection would, or as the instance wants to be left
/// alone: an instance that failed once is not kept away for longer than one that failed often.
/// When an instance comes back all this is forgotten: see <see cref="EjectionState"/>, which hears of an answer after this. So the
/// latency of the probe is no measure, and its connection had to be made first.
/// </summary>
internal sealed class LoadStage(TimeProvider time) : AttemptStage("Load", StageScope.Instance)
{
    public override void Enter(OutboundAttempt attempt)
    {
        // The app's picker first: if it throws, nothing has been counted that would have to be taken back.
        if (attempt.Call.Destination.Service.Balancer.UserPicker is { } picker)
        {
            Start(picker, attempt);
        }

        attempt.Instance.Load.Begin();
    }

    public override void Responded(OutboundAttempt attempt)
    {
        var now = attempt.RespondedAt;
        if (attempt.Outcome.Verdict == AttemptVerdict.AppFailed)
        {
            // How soon the app's own request broke is no latency.
            return;
        }

        // A call the app gave up on took at least as long as it waited; that much is known.
        var latency = attempt.Latency;
        if (attempt.Outcome.IsPenalised)
        {
            Penalise(attempt, latency ?? 0, now);
        }
        else if (latency is { } known)
        {
            attempt.Instance.Load.Observe(known, now);
        }
    }

    public override void Ended(OutboundAttempt attempt)
    {
        attempt.Instance.Load.End();
        if (attempt.Outcome.Verdict != attempt.HeadVerdict && attempt.Outcome.IsPenalised)
        {
            // The end of the answer told more than its head.
            Penalise(attempt, latency: 0, time.GetTimestamp());
        }

        var balancer = attempt.Call.Destination.Service.Balancer;
        if (balancer.ReadsLoadReports && attempt.Response is { } response && LoadReport.TryRead(response, out var report))
        {
            (attempt.Instance.ReportedWeight ??= new ReportedWeight()).Observe(report, time.GetTimestamp(), time.TimestampFrequency);
        }

        balancer.UserPicker?.Completed(new MeshInstance(attempt.Instance), Told(attempt));
    }

    // Not the instance's failure, whatever it is.
    private static void Start(IInstancePicker picker, OutboundAttempt attempt)
    {
        try
        {
            picker.Started(new MeshInstance(attempt.Instance));
        }
        catch (Exception e)
        {
            throw PickStage.PickFailed(attempt.Call.Destination, picker, e);
        }
    }

    private PickOutcome Told(OutboundAttempt attempt) => new(
        attempt.Outcome.IsPenalised ? PickOutcomeKind.Failure
            : attempt.Outcome.IsSuccess ? PickOutcomeKind.Success
            : PickOutcomeKind.Unknown,
        time.GetElapsedTime(0, attempt.Latency ?? attempt.RespondedAt - attempt.StartedAt),
        attempt.Response?.StatusCode);

    // An instance that says how long it wants to be left alone knows better than we (Linkerd, load biaser), but one that says 0
    // must not attract calls.
    private static void Penalise(OutboundAttempt attempt, long latency, long now)
    {
        var alone = attempt.Outcome.RetryAfter ?? TimeSpan.Zero;
        var penalty = attempt.Outcome.RetryAfter is null ? MeshDefaults.FailureLatency : Longer(alone, MeshDefaults.LeastPenalty);
        var health = attempt.Call.Destination.Service.Health;
        attempt.Instance.Load.Penalise(
            Math.Max(latency, health.Ticks(penalty)), now, now + health.Ticks(Longer(alone, health.Settings.BaseEjection)));
    }

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
