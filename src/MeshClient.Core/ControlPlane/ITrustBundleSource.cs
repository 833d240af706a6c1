using MeshClient.Core.Identity;

namespace MeshClient.Core.ControlPlane;

/// <summary>A place where the roots of the mesh are known. See <see cref="IInstanceSource"/> for how to read.</summary>
public interface ITrustBundleSource
{
    /// <summary>Reads the trust bundle. The caller owns the certificates in it.</summary>
    Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken);
}
