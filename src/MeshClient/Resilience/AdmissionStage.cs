using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>Bounds the calls in flight to a service.</summary>
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

        return ValueTask.CompletedTask;
    }

    public override void Ended(OutboundCall call) => call.Destination.Service.Release();
}
