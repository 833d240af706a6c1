using System.Security.Claims;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Peers;

/// <summary>A peer whose certificate has been verified. Made once per connection, shared by all its requests.</summary>
internal sealed class MeshPeer(SpiffeId id, SpiffeService service, DateTimeOffset notAfter) : IMeshPeerFeature
{
    private volatile bool _isDraining;

    /// <summary>
    /// Whether answers over HTTP/1.1 tell the caller to make a new connection. Closing one that is idle could cross a request on its
    /// way, which would be lost.
    /// </summary>
    public bool IsDraining
    {
        get => _isDraining;
        set => _isDraining = value;
    }

    public SpiffeId Id => id;

    public ServiceName Service => service.Name;

    public string Namespace => service.Namespace;

    public string Datacenter => service.Datacenter;

    public DateTimeOffset CertificateNotAfter => notAfter;

    // A new one each time: principals can be changed, and requests of one connection must not change each other's.
    public ClaimsPrincipal CreatePrincipal() => new(new ClaimsIdentity(
        [
            new Claim(MeshClaimTypes.Service, Service.Value),
            new Claim(MeshClaimTypes.SpiffeId, id.ToString()),
            new Claim(MeshClaimTypes.Namespace, Namespace),
            new Claim(MeshClaimTypes.Datacenter, Datacenter),
        ],
        MeshClaimTypes.AuthenticationType,
        MeshClaimTypes.Service,
        ClaimTypes.Role));
}
