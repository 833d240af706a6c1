using MeshClient.Outbound;
using MeshClient.Telemetry;

namespace MeshClient.Overload;

/// <summary>
/// Decides whether a call is made at all: by the rate of calls, by what the service lately refused, and by how many are in
/// flight, in this order, so that a call that is refused anyway takes nobody's place.
/// </summary>
internal sealed class AdmissionStage(TimeProvider time, MeshRandom random, ShedTelemetry telemetry)
    : CallStage("Admission", StagePhases.Enter | StagePhases.Judged | StagePhases.Ended)
{
    public override ValueTask EnterAsync(OutboundCall call)
    {
        var overload = call.Destination.Service.Overload;
        if (overload.Rate is { } rate && !rate.TryTake(call.ReadyAt, out var retryAfter))
        {
            throw Refusal(
                call,
                MeshFailureReason.RateLimited,
                ShedTelemetry.Rate,
                $"the limit of calls per second is used up, for another {retryAfter.TotalSeconds:F3} s (RateLimit)");
        }

        if (overload.Throttle is { } throttle && throttle.IsRefused(call.StartedAt, random))
        {
            throw Refusal(
                call, MeshFailureReason.Throttled, ShedTelemetry.Throttling, "it refuses most calls for overload at present (Throttling)");
        }

        return overload.Limiter.TryEnter() ? ValueTask.CompletedTask : WaitAsync(call);
    }

    public override void Judged(OutboundCall call, long now)
    {
        if (call.Destination.Service.Overload.Throttle is { } throttle && call.Attempt is { } attempt)
        {
            switch (AttemptLoad.Of(attempt))
            {
                case LoadSign.Refused:
                    throttle.Refused(now);
                    break;
                case LoadSign.Served or LoadSign.None when attempt.Response is not null:
                    throttle.Accepted(now);
                    break;
            }
        }
    }

    public override void Ended(OutboundCall call)
    {
        var overload = call.Destination.Service.Overload;
        var inFlight = overload.Limiter.Leave();
        if (overload.IsAdaptive)
        {
            overload.Learn(call, inFlight, call.EndedWithHead ? call.RespondedAt : time.GetTimestamp());
        }
    }

    private async ValueTask WaitAsync(OutboundCall call)
    {
        var service = call.Destination.Service;
        var limiter = service.Overload.Limiter;
        if (limiter.Enqueue() is not { } waiter)
        {
            throw TooMany(call, MeshFailureReason.Overloaded, ShedTelemetry.Concurrency, string.Empty);
        }

        var timeout = service.Settings.Overload.QueueTimeout;
        var left = call.DeadlineAt == long.MaxValue ? TimeSpan.MaxValue : time.GetElapsedTime(time.GetTimestamp(), call.DeadlineAt);
        var endsWithCall = left <= timeout;
        var limit = endsWithCall ? left : timeout;
        bool admitted;
        try
        {
            admitted = await waiter.Admitted.WaitAsync(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, time, call.Cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            if (limiter.TryGiveUp(waiter))
            {
                if (e is OperationCanceledException)
                {
                    throw;
                }

                throw endsWithCall
                    ? TooMany(call, MeshFailureReason.DeadlineExceeded, ShedTelemetry.QueueTimeout, ", and the call's time was over before it was its turn")
                    : TooMany(call, MeshFailureReason.QueueTimeout, ShedTelemetry.QueueTimeout, $", and none ended within {timeout} (QueueTimeout)");
            }

            // It was its turn at the same moment.
            admitted = await waiter.Admitted.ConfigureAwait(false);
            if (admitted && e is OperationCanceledException)
            {
                limiter.Leave();
                throw;
            }
        }

        if (!admitted)
        {
            // A caller that gave up at the same moment is told that, as everywhere.
            call.Cancellation.ThrowIfCancellationRequested();
            throw TooMany(call, MeshFailureReason.QueueFull, ShedTelemetry.QueueFull, ", and newer ones filled the queue (QueueLength)");
        }

        call.ReadyAt = time.GetTimestamp();
    }

    private MeshCallException TooMany(OutboundCall call, MeshFailureReason reason, string shed, string andWhat) => Refusal(
        call,
        reason,
        shed,
        $"{call.Destination.Service.Overload.Limiter.Limit} calls to it are in flight already (MaxConcurrency, or less where Adaptive has learned so)"
        + $"{andWhat}. A call is in flight until its answer has been read to the end or disposed");

    private MeshCallException Refusal(OutboundCall call, MeshFailureReason reason, string shed, string why)
    {
        var service = call.Destination.Service.Service.Value;
        telemetry.Shed(service, shed, why);
        return new MeshCallException(
            reason,
            service,
            Descriptor.Name,
            $"Call to '{service}' was not made: {why}.");
    }
}
