using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Core.ControlPlane;

/// <summary>A place that issues this workload's certificate. See <see cref="IInstanceSource"/> for how to read.</summary>
public interface ILeafCertificateSource
{
    /// <summary>
    /// Reads the certificate of a service. With the index of an earlier answer it waits for a renewed one.
    /// The caller owns the certificates in it.
    /// </summary>
    Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken);
}
