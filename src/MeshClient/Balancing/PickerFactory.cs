using MeshClient.Configuration;
using MeshClient.Core.Naming;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Balancing;

/// <summary>Makes the balancer of each service.</summary>
/// <param name="services">Where an app's own pickers are: by the service's name, or for all.</param>
/// <param name="fleet">The copies of this app.</param>
/// <param name="zone">This process's own zone; null: none.</param>
/// <param name="time">The clock.</param>
/// <param name="random">Where chance comes from.</param>
internal sealed class PickerFactory(IServiceProvider services, CallerFleet fleet, string? zone, TimeProvider time, MeshRandom random)
{
    public ServiceBalancer Create(ServiceName service, BalancingSettings settings) => new(
        settings,
        (services as IKeyedServiceProvider)?.GetKeyedService<IInstancePicker>(service.Value) ?? services.GetService<IInstancePicker>(),
        fleet,
        zone,
        time,
        random);
}
