using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Peers;

/// <summary>
/// Who is calling, proved in the TLS handshake; nothing of it is read from headers. Found in
/// <c>HttpContext.Features</c> of a request that came over the mesh listener, absent on others. Read once per connection.
/// </summary>
public interface IMeshPeerFeature
{
    /// <summary>The caller's SPIFFE id.</summary>
    SpiffeId Id { get; }

    /// <summary>The calling service.</summary>
    ServiceName Service { get; }

    /// <summary>The namespace it runs in: <c>default</c>, since callers of any other are refused in the handshake.</summary>
    string Namespace { get; }

    /// <summary>The datacenter it runs in.</summary>
    string Datacenter { get; }

    /// <summary>
    /// Until when the certificate it showed is valid. The connection takes no new requests from shortly before that moment on, and
    /// is closed at the latest <c>Mesh:Identity:ExpiryGrace</c> after it.
    /// </summary>
    DateTimeOffset CertificateNotAfter { get; }
}
