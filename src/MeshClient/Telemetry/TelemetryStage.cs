using System.Diagnostics;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>One span and one figure per call, covering all its attempts.</summary>
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
        var status = call.Failure is null ? (int)call.Attempt!.Response!.StatusCode : 0;
        if (telemetry.CallDuration.Enabled)
        {
            var tags = new TagList
            {
                { MeshTelemetry.ServiceTag, call.Destination.Name.Service.Value },
                { MeshTelemetry.MethodTag, call.Request.Method.Method },
                { MeshTelemetry.ResendTag, MeshTelemetry.Box(Math.Max(0, call.Attempts - 1)) },
                { MeshTelemetry.OutcomeTag, Outcome.Of(call.Failure, status) },
            };
            Outcome.AddResult(ref tags, call.Failure, status);
            telemetry.CallDuration.Record(telemetry.Seconds(call.StartedAt, call.RespondedAt), tags);
        }

        if (call.Activity is { } activity)
        {
            if (activity.IsAllDataRequested)
            {
                activity.SetTag(MeshTelemetry.ResendTag, MeshTelemetry.Box(Math.Max(0, call.Attempts - 1)));
                Outcome.SetResult(activity, call.Failure, status);
            }

            activity.Stop();
        }
    }
}
