using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Core.ControlPlane;

/// <summary>A place where it is known who may call a service. See <see cref="IInstanceSource"/> for how to read.</summary>
public interface IIntentionSource
{
    /// <summary>Reads the intentions whose destination is a service.</summary>
    Task<Watched<IntentionSnapshot>> ReadIntentionsAsync(ServiceName destination, ulong index, CancellationToken cancellationToken);
}
