using System.Diagnostics;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>
/// One span and one figure per call, covering all its attempts. Told when the head of the answer is there; of a gRPC call whose
/// status comes after its body, when that is there. The duration is to the head in any case.
/// </summary>
/// <remarks>
/// OpenTelemetry's conventions for HTTP clients. The span is the first attempt's as well, since nearly all calls have no other: it
/// names the instance that answered. Further attempts have spans of their own beneath it
/// (<see cref="AttemptTelemetryStage"/>), and what came of the first is then an event of this one.
/// </remarks>
internal sealed class TelemetryStage(MeshTelemetry telemetry) : CallStage("Telemetry", StagePhases.Enter | StagePhases.Judged)
{
    public override ValueTask EnterAsync(OutboundCall call)
    {
        if (telemetry.Source.HasListeners())
        {
            call.Activity = telemetry.Source.StartActivity(call.Request.Method.Method, ActivityKind.Client);
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>What the app does from now on is not part of the call.</summary>
    /// <param name="activity">The call's span; null: it has none.</param>
    public static void Leave(Activity? activity)
    {
        if (activity is null)
        {
            return;
        }

        try
        {
            Activity.Current = activity.Parent;
        }
        catch (Exception)
        {
            // Whoever listens to changes of the current span and throws takes the answer from nobody: the call is on its way.
        }
    }

    public override void Judged(OutboundCall call, long now)
    {
        if (call.Activity is null && !telemetry.CallDuration.Enabled)
        {
            return;
        }

        var outcome = call.Failure is null
            ? Outcome.Of(call.Attempt!)
            : new Outcome(call.Failure, null, call.Attempt is { Outcome.Verdict: AttemptVerdict.AppFailed } attempt ? attempt.Outcome : default);
        if (telemetry.CallDuration.Enabled)
        {
            Record(call, outcome);
        }

        if (call.Activity is { } activity)
        {
            if (activity.IsAllDataRequested)
            {
                Describe(call, activity, outcome);
            }

            activity.SetEndTime(activity.StartTimeUtc + telemetry.Elapsed(call.StartedAt, call.RespondedAt));
            activity.Stop();
        }
    }

    private static TagList Tags(OutboundCall call, string method, in Outcome outcome)
    {
        var tags = new TagList
        {
            { MeshTelemetry.ServiceTag, call.Destination.Name.Service.Value },
            { MeshTelemetry.MethodTag, method },
            { MeshTelemetry.ResendTag, MeshTelemetry.Box(Math.Max(0, call.Attempts - 1)) },
        };
        outcome.AddTo(ref tags);
        return tags;
    }

    private void Record(OutboundCall call, in Outcome outcome) => call.Destination.Service.GoodTags.Record(
        telemetry.CallDuration,
        telemetry.Seconds(call.StartedAt, call.RespondedAt),
        call.Request.Method.Method,
        outcome,
        isGood: call.Attempts <= 1 && outcome.IsGood,
        call,
        Tags);

    private void Describe(OutboundCall call, Activity activity, in Outcome outcome)
    {
        if (call.First is { } first)
        {
            activity.AddEvent(AttemptEvent(call, first, activity.StartTimeUtc));
        }

        AttemptTelemetryStage.Describe(activity, call, call.Attempt, outcome);
        if (call.Attempts > 1)
        {
            activity.AddTag(MeshTelemetry.ResendTag, MeshTelemetry.Box(call.Attempts - 1));
        }
    }

    private ActivityEvent AttemptEvent(OutboundCall call, OutboundAttempt attempt, DateTime begun)
    {
        // One that lost to another may still be on its way.
        var end = attempt.RespondedAt != 0 ? attempt.RespondedAt : call.RespondedAt;
        var tags = AttemptTelemetryStage.Tags(attempt, Outcome.Of(attempt));
        tags.Add(MeshTelemetry.DurationTag, telemetry.Seconds(attempt.StartedAt, end));
        return new ActivityEvent("attempt", begun + telemetry.Elapsed(call.StartedAt, end), new ActivityTagsCollection(tags));
    }
}
