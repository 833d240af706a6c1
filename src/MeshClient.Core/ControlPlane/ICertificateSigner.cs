using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Naming;

namespace MeshClient.Core.ControlPlane;

/// <summary>
/// A place that makes certificates for keys it never sees, so that a workload's private key does not leave its process. When to
/// ask is the caller's part.
/// </summary>
public interface ICertificateSigner
{
    /// <summary>Has a certificate made.</summary>
    /// <param name="service">The service it is to prove; what the request says of names does not count.</param>
    /// <param name="requestPem">A certificate request (PKCS #10, RFC 2986) in PEM, signed by its own key.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>
    /// The certificate and those to send after it, in order, without a private key; the caller owns them. Null when this control
    /// plane does not sign requests at all.
    /// </returns>
    /// <exception cref="ControlPlaneException">It could not be reached, or refused.</exception>
    Task<IReadOnlyList<X509Certificate2>?> SignAsync(ServiceName service, string requestPem, CancellationToken cancellationToken);
}
