using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>Where the circuit breaker stands among the stages; what it does is in <see cref="CircuitBreaker"/>.</summary>
internal sealed class CircuitBreakerStage() : CallStage("CircuitBreaker", StagePhases.Judged | StagePhases.Ended)
{
    public override void Judged(OutboundCall call, long now)
    {
        if (call.Destination.Service.Breaker is { } breaker && !call.IsBehindBreaker)
        {
            breaker.Learn(call);
        }
    }

    public override void Ended(OutboundCall call) => call.Ending?.TrySetResult();
}
