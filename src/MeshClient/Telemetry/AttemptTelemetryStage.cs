using System.Diagnostics;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>One span and one figure per attempt, naming the instance. Told when <see cref="TelemetryStage"/> tells of a call.</summary>
internal sealed class AttemptTelemetryStage(MeshTelemetry telemetry) : AttemptStage("AttemptTelemetry", StageScope.Attempt)
{
    public override void Enter(OutboundAttempt attempt)
    {
        if (attempt.Call.Activity is { IsAllDataRequested: true } call)
        {
            // Named by its parent, because an earlier attempt's span may still be the current one.
            attempt.Activity = telemetry.Source.StartActivity("attempt", ActivityKind.Client, call.Context);
            attempt.AppSetTrace = HasTrace(attempt.Request);
        }
    }

    public override void Responded(OutboundAttempt attempt)
    {
        if (attempt.Outcome.IsFinal)
        {
            Tell(attempt);
        }

        if (attempt.Activity is not null && !attempt.AppSetTrace)
        {
            ForgetTrace(attempt.Request);
        }
    }

    public override void Ended(OutboundAttempt attempt)
    {
        if (attempt.HeadVerdict == AttemptVerdict.Undecided)
        {
            Tell(attempt);
        }
    }

    private void Tell(OutboundAttempt attempt)
    {
        var instance = attempt.Instance;
        if (attempt.Activity is null && !telemetry.AttemptDuration.Enabled)
        {
            return;
        }

        // In the words of the call's own failures: a time limit of ours is no cancellation.
        var outcome = attempt.Failure is null
            ? new Outcome(null, (int)attempt.Response!.StatusCode, attempt.Outcome)
            : new Outcome(CallFailure.Describe(attempt), 0, attempt.Outcome);
        if (telemetry.AttemptDuration.Enabled && instance is not null)
        {
            var tags = new TagList
            {
                { MeshTelemetry.ServiceTag, instance.Description.Service.Value },
                { MeshTelemetry.InstanceTag, instance.Description.Id.Value },
                { MeshTelemetry.AddressTag, instance.Endpoint.Host },
                { MeshTelemetry.PortTag, instance.BoxedPort },
            };
            outcome.AddTo(ref tags);
            telemetry.AttemptDuration.Record(telemetry.Seconds(attempt.StartedAt, attempt.RespondedAt), tags);
        }

        if (attempt.Activity is { } activity)
        {
            activity.SetTag(MeshTelemetry.ResendTag, MeshTelemetry.Box(attempt.Number - 1));
            if (instance is not null)
            {
                activity.SetTag(MeshTelemetry.InstanceTag, instance.Description.Id.Value);
                activity.SetTag(MeshTelemetry.AddressTag, instance.Endpoint.Host);
                activity.SetTag(MeshTelemetry.PortTag, instance.BoxedPort);
            }

            outcome.SetOn(activity);
            activity.Stop();
        }
    }

    private static bool HasTrace(HttpRequestMessage request)
    {
        foreach (var field in DistributedContextPropagator.Current.Fields)
        {
            if (request.Headers.NonValidated.Contains(field))
            {
                return true;
            }
        }

        return false;
    }

    // The runtime writes the present span into a request unless one stands there already: this attempt's must not stay for the
    // next.
    private static void ForgetTrace(HttpRequestMessage request)
    {
        foreach (var field in DistributedContextPropagator.Current.Fields)
        {
            request.Headers.Remove(field);
        }
    }
}
