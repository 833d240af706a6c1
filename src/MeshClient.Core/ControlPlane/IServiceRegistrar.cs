using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Core.ControlPlane;

/// <summary>A place where an instance makes itself known.</summary>
public interface IServiceRegistrar
{
    /// <summary>Registers an instance, or replaces its registration. Its check starts passing.</summary>
    Task RegisterAsync(InstanceRegistration registration, CancellationToken cancellationToken);

    /// <summary>Says that the instance is alive, which restarts its time to live.</summary>
    /// <returns>Whether the registry still knows the instance; when not, it has to be registered again.</returns>
    Task<HeartbeatResult> BeatAsync(InstanceId instance, string note, CancellationToken cancellationToken);

    /// <summary>
    /// Takes the instance out of use or puts it back in. While out it is listed as critical and gets no new calls.
    /// Unknown instances are ignored.
    /// </summary>
    Task SetMaintenanceAsync(InstanceId instance, bool enabled, string reason, CancellationToken cancellationToken);

    /// <summary>Takes the instance out of the registry. Unknown instances are ignored.</summary>
    Task DeregisterAsync(InstanceId instance, CancellationToken cancellationToken);
}
