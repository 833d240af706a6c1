using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>Where the circuit breaker stands among the stages; what it does is in <see cref="CircuitBreaker"/>.</summary>
internal sealed class CircuitBreakerStage() : CallStage("CircuitBreaker", StagePhases.Responded | StagePhases.Ended)
{
    public override void Responded(OutboundCall call)
    {
        if (!call.IsJudgedAtEnd)
        {
            Learn(call);
        }
    }

    public override void Ended(OutboundCall call)
    {
        if (call.IsJudgedAtEnd)
        {
            Learn(call);
        }

        call.Ending?.TrySetResult();
    }

    private static void Learn(OutboundCall call)
    {
        if (call.Destination.Service.Breaker is { } breaker && !call.IsBehindBreaker)
        {
            breaker.Learn(call);
        }
    }
}
