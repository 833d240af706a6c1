using System.Diagnostics;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>
/// One span and one figure per call, covering all its attempts. Told when the head of the answer is there; of a gRPC call whose
/// status comes after its body, when that is there. The duration is to the head in any case.
/// </summary>
internal sealed class TelemetryStage(MeshTelemetry telemetry) : CallStage("Telemetry")
{
    public override ValueTask EnterAsync(OutboundCall call)
    {
        if (telemetry.Source.HasListeners())
        {
            call.Activity = telemetry.Source.StartActivity(call.Request.Method.Method, ActivityKind.Client);
            if (call.Activity is { IsAllDataRequested: true } activity)
            {
                activity.SetTag(MeshTelemetry.ServiceTag, call.Destination.Name.Service.Value);
                activity.SetTag(MeshTelemetry.MethodTag, call.Request.Method.Method);
            }
        }

        return ValueTask.CompletedTask;
    }

    public override void Responded(OutboundCall call)
    {
        if (!call.IsJudgedAtEnd)
        {
            Tell(call);
        }
    }

    public override void Ended(OutboundCall call)
    {
        if (call.IsJudgedAtEnd)
        {
            Tell(call);
        }
    }

    private void Tell(OutboundCall call)
    {
        if (call.Activity is null && !telemetry.CallDuration.Enabled)
        {
            return;
        }

        var outcome = call.Failure is null
            ? new Outcome(null, (int)call.Attempt!.Response!.StatusCode, call.Attempt.Outcome)
            : new Outcome(call.Failure, 0, call.Attempt is { Outcome.Verdict: AttemptVerdict.AppFailed } attempt ? attempt.Outcome : default);
        if (telemetry.CallDuration.Enabled)
        {
            var tags = new TagList
            {
                { MeshTelemetry.ServiceTag, call.Destination.Name.Service.Value },
                { MeshTelemetry.MethodTag, call.Request.Method.Method },
                { MeshTelemetry.ResendTag, MeshTelemetry.Box(Math.Max(0, call.Attempts - 1)) },
            };
            outcome.AddTo(ref tags);
            telemetry.CallDuration.Record(telemetry.Seconds(call.StartedAt, call.RespondedAt), tags);
        }

        if (call.Activity is { } activity)
        {
            if (activity.IsAllDataRequested)
            {
                activity.SetTag(MeshTelemetry.ResendTag, MeshTelemetry.Box(Math.Max(0, call.Attempts - 1)));
                outcome.SetOn(activity);
            }

            activity.Stop();
        }
    }
}
