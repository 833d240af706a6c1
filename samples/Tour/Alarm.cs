using MeshClient.AspNetCore.Denials;

namespace Tour;

// README: alarm
internal sealed class Alarm(ILogger<Alarm> logger) : IMeshDenialObserver
{
    public ValueTask OnDeniedAsync(MeshDenial denial, CancellationToken cancellationToken)
    {
        logger.LogWarning("{Source} was refused {Path} by {Rule}", denial.Source, denial.Path, denial.Rule);
        return ValueTask.CompletedTask;
    }
}
// README: end
