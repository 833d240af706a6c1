using MeshClient.Core.Naming;

namespace MeshClient.Core.Discovery;

/// <summary>All instances of a service at one moment. Immutable; a change makes a new one.</summary>
/// <param name="Service">The service.</param>
/// <param name="Instances">Its instances, whatever their health; empty when there are none.</param>
public sealed record ServiceSnapshot(ServiceName Service, EquatableArray<ServiceInstance> Instances);
