using System.Security.Claims;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Peers;

/// <summary>A peer whose certificate has been verified. Made once per connection, shared by all its requests.</summary>
/// <param name="id">Its SPIFFE id.</param>
/// <param name="service">The service that id names.</param>
/// <param name="notAfter">Until when its certificate is valid.</param>
/// <param name="isForeign">Whether it belongs to another trust domain than this service.</param>
internal sealed class MeshPeer(SpiffeId id, SpiffeService service, DateTimeOffset notAfter, bool isForeign = false) : IMeshPeerFeature
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

    /// <summary>Whether it belongs to another trust domain than this service.</summary>
    public bool IsForeign => isForeign;

    /// <summary>
    /// What rules, logs and figures call it: the service's name, or the whole id where it is a member of another trust domain, so
    /// that the <c>web</c> of another mesh never passes for ours. An id is no service name, for it has slashes.
    /// </summary>
    public string Source { get; } = isForeign ? id.ToString() : service.Name.Value;

    // A new one each time: principals can be changed, and requests of one connection must not change each other's.
    public ClaimsPrincipal CreatePrincipal() => new(new MeshPeerIdentity(
        this,
        [
            new Claim(MeshClaimTypes.Service, Service.Value),
            new Claim(MeshClaimTypes.SpiffeId, id.ToString()),
            new Claim(MeshClaimTypes.Namespace, Namespace),
            new Claim(MeshClaimTypes.Datacenter, Datacenter),
        ]));
}

/// <summary>A peer as an identity. Known by its type, since claims can be made by anybody.</summary>
internal sealed class MeshPeerIdentity(MeshPeer peer, IEnumerable<Claim> claims)
    : ClaimsIdentity(claims, MeshClaimTypes.AuthenticationType, MeshClaimTypes.Service, ClaimTypes.Role)
{
    public MeshPeer Peer => peer;

    public override ClaimsIdentity Clone() => new MeshPeerIdentity(peer, Claims);
}
