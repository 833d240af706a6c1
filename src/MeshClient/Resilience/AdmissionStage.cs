using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>Bounds the calls in flight to a service, and counts each call into its retry budget.</summary>
internal sealed class AdmissionStage() : CallStage("Admission")
{
    public override ValueTask EnterAsync(OutboundCall call)
    {
        var service = call.Destination.Service;
        if (!service.TryAdmit())
        {
            throw new MeshCallException(
                MeshFailureReason.Overloaded,
                service.Service.Value,
                Descriptor.Name,
                $"Call to '{service.Service}' was not made: {service.Settings.MaxConcurrency} calls to it are in flight already "
                + "(MaxConcurrency). A call is in flight until its answer has been read to the end or disposed.");
        }

        service.RetryBudget.Deposit(call.StartedAt);
        return ValueTask.CompletedTask;
    }

    public override void Ended(OutboundCall call) => call.Destination.Service.Release();
}
