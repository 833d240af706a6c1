using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>
/// Sets until when a call may last: its own limit or the ambient deadline, whichever is earlier. For an upload the own limit
/// begins when the body has been sent; <see cref="AttemptTimeoutStage"/> sees to that.
/// </summary>
internal sealed class DeadlineStage(TimeProvider time) : CallStage("Deadline", StagePhases.Enter)
{
    private readonly double _timestampsPerTick = (double)time.TimestampFrequency / TimeSpan.TicksPerSecond;

    public override ValueTask EnterAsync(OutboundCall call)
    {
        var limit = call.Destination.Service.Settings.CallTimeout;
        if (limit > TimeSpan.Zero && !call.IsUpload)
        {
            call.DeadlineAt = call.StartedAt + (long)(limit.Ticks * _timestampsPerTick);
        }

        if (MeshDeadline.Current is not { } ambient)
        {
            return ValueTask.CompletedTask;
        }

        call.AmbientDeadlineAt = ambient.ExpiresAt;
        if (ambient.ExpiresAt < call.DeadlineAt)
        {
            call.DeadlineAt = ambient.ExpiresAt;
            if (ambient.ExpiresAt <= call.StartedAt)
            {
                throw new MeshCallException(
                    MeshFailureReason.DeadlineExceeded,
                    call.Destination.Name.Service.Value,
                    Descriptor.Name,
                    $"Call to '{call.Destination.Name.Service}' was not made: the deadline of the request it belongs to has passed.");
            }
        }

        return ValueTask.CompletedTask;
    }
}
