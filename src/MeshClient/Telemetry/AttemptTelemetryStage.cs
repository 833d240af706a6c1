using System.Diagnostics;
using MeshClient.Discovery;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>
/// One figure per attempt, naming the instance, and one span per attempt after the first, whose span is the call's. Told when
/// <see cref="TelemetryStage"/> tells of a call.
/// </summary>
internal sealed class AttemptTelemetryStage(MeshTelemetry telemetry) : AttemptStage("AttemptTelemetry", StageScope.Attempt)
{
    public override void Enter(OutboundAttempt attempt)
    {
        if (attempt.Call.Activity is not { IsAllDataRequested: true } call)
        {
            return;
        }

        if (attempt.Number > 1)
        {
            // Named by its parent, because another span may be the current one.
            attempt.Activity = telemetry.Source.StartActivity(attempt.Request.Method.Method, ActivityKind.Client, call.Context);
        }

        if (TraceHeaders.AreIn(attempt.Request))
        {
            attempt.AppSetTrace = true;
        }
    }

    public override void Responded(OutboundAttempt attempt)
    {
        if (attempt.Outcome.IsFinal)
        {
            Tell(attempt);
        }

        // The runtime writes the present span into a request unless one stands there already: this attempt's must not stay for the
        // next.
        if (attempt.IsTraced && !attempt.AppSetTrace)
        {
            TraceHeaders.Remove(attempt.Request);
        }
    }

    public override void Ended(OutboundAttempt attempt)
    {
        if (attempt.HeadVerdict == AttemptVerdict.Undecided)
        {
            Tell(attempt);
        }
    }

    /// <summary>What the figures of an attempt are told by.</summary>
    public static TagList Tags(OutboundAttempt attempt, in Outcome outcome)
    {
        var tags = new TagList { { MeshTelemetry.ServiceTag, attempt.Call.Destination.Name.Service.Value } };
        if (attempt.Instance is { } instance)
        {
            tags.Add(MeshTelemetry.InstanceTag, instance.Description.Id.Value);
            tags.Add(MeshTelemetry.AddressTag, instance.Endpoint.Host);
            tags.Add(MeshTelemetry.PortTag, instance.FigureTags.Port);
        }

        outcome.AddTo(ref tags);
        return tags;
    }

    /// <summary>Says in a span what was called and what came of it.</summary>
    /// <param name="activity">The span.</param>
    /// <param name="call">The call.</param>
    /// <param name="attempt">The attempt the span is of, or whose answer is the call's; null: there was none.</param>
    /// <param name="outcome">What came of it.</param>
    public static void Describe(Activity activity, OutboundCall call, OutboundAttempt? attempt, in Outcome outcome)
    {
        activity.AddTag(MeshTelemetry.ServiceTag, call.Destination.Name.Service.Value);
        activity.AddTag(MeshTelemetry.MethodTag, call.Request.Method.Method);
        if (attempt?.Instance is { } instance)
        {
            activity.AddTag(MeshTelemetry.InstanceTag, instance.Description.Id.Value);
            activity.AddTag(MeshTelemetry.AddressTag, instance.Endpoint.Host);
            activity.AddTag(MeshTelemetry.PortTag, instance.FigureTags.Port);
        }

        outcome.AddTo(activity);
    }

    private void Tell(OutboundAttempt attempt)
    {
        if (attempt.Activity is null && !telemetry.AttemptDuration.Enabled)
        {
            return;
        }

        var outcome = Outcome.Of(attempt);
        if (telemetry.AttemptDuration.Enabled && attempt.Instance is { } instance)
        {
            Record(attempt, instance, outcome);
        }

        if (attempt.Activity is { } activity)
        {
            Describe(activity, attempt.Call, attempt, outcome);
            activity.AddTag(MeshTelemetry.ResendTag, MeshTelemetry.Box(attempt.Number - 1));
            activity.Stop();
        }
    }

    private void Record(OutboundAttempt attempt, InstanceState instance, in Outcome outcome) => instance.FigureTags.Good.Record(
        telemetry.AttemptDuration,
        telemetry.Seconds(attempt.StartedAt, attempt.RespondedAt),
        method: string.Empty,
        outcome,
        outcome.IsGood,
        attempt,
        static (attempt, _, in outcome) => Tags(attempt, outcome));
}
