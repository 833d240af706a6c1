using MeshClient.Core.Naming;
using MeshClient.Telemetry;
using Microsoft.Extensions.Logging;

namespace MeshClient.Resilience;

/// <summary>Tells of what instances say of their endpoints and cannot be used.</summary>
internal sealed partial class IdempotencyLog(TimeProvider time, ILogger<IdempotencyLog> logger)
{
    private readonly LogLimiter<ServiceName> _limiter = new(time);

    public void NotUsed(ServiceName service, InstanceId instance, string problem)
    {
        if (_limiter.TryEnter(service, out var suppressed))
        {
            LogNotUsed(logger, instance.Value, service.Value, IdempotentEndpoints.MetaKey, problem, suppressed);
        }
    }

    [LoggerMessage(
        36,
        LogLevel.Warning,
        "What instance {Instance} of {Service} says in its metadata ({Key}) about calls that may be repeated is not used, or in part: {Problem}. Such calls are not repeated on its word. {Suppressed} warnings like this one before it were not logged.")]
    private static partial void LogNotUsed(ILogger logger, string instance, string service, string key, string problem, int suppressed);
}
