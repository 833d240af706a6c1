using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Core.ControlPlane;

/// <summary>A place where the instances of services are known.</summary>
/// <remarks>
/// Like all sources here it does one read at a time and leaves repetition to the caller: with index 0 it answers at once;
/// with the index of an earlier answer it waits until there is something newer, or until a wait of its own choice ends and
/// it answers with what the caller has. An answer is no promise of change. Failures are thrown: <see cref="ControlPlaneException"/>
/// with its cause, never an empty list.
/// </remarks>
public interface IInstanceSource
{
    /// <summary>Reads the instances of a service; a service that does not exist has none.</summary>
    Task<Watched<ServiceSnapshot>> ReadInstancesAsync(ServiceName service, ulong index, CancellationToken cancellationToken);
}
