namespace MeshClient.Server;

/// <summary>HTTPS on a listener of the server's own. Section <c>MeshServer:Https</c>.</summary>
public sealed class MeshServerHttpsOptions
{
    /// <summary>
    /// Where it listens: <c>https</c>, an IP address or <c>localhost</c>, and a port, 0 for any free one. Null: nowhere. When it
    /// is set, plain HTTP is listened for only where <see cref="MeshServerOptions.ListenAddress"/> says so. Default: null.
    /// </summary>
    public Uri? ListenAddress { get; set; }

    /// <summary>
    /// The certificate, a PEM file that may hold its chain too; read again when it changes. Null: the server's own authority
    /// issues one for <see cref="ServerNames"/> and renews it; callers then have to trust the roots of the mesh, which
    /// <c>GET /v1/connect/ca/roots?pem=true</c> gives. Default: null.
    /// </summary>
    public string? CertificatePath { get; set; }

    /// <summary>The unencrypted key of <see cref="CertificatePath"/>, a PEM file. Null: it is in the same file. Default: null.</summary>
    public string? PrivateKeyPath { get; set; }

    /// <summary>
    /// The host names and IP addresses that a certificate of the server's own authority is for, besides <c>localhost</c>, the
    /// loopback addresses, <see cref="MeshServerOptions.NodeName"/> and <see cref="MeshServerOptions.NodeAddress"/>. Default: none.
    /// </summary>
    public IList<string> ServerNames { get; } = [];
}
