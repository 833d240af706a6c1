using MeshClient.Configuration;
using MeshClient.Core.Naming;

namespace MeshClient.Balancing;

/// <summary>Makes the balancer of each service.</summary>
/// <param name="userPickers">The app's own picker for a service; null: none.</param>
/// <param name="time">The clock.</param>
internal sealed class PickerFactory(Func<ServiceName, IInstancePicker?> userPickers, TimeProvider time)
{
    public ServiceBalancer Create(ServiceName service, BalancingSettings settings) => new(settings, userPickers(service), time);
}
