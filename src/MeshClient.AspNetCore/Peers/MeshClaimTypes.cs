namespace MeshClient.AspNetCore.Peers;

/// <summary>The claims of a peer, in a principal whose authentication type is <see cref="AuthenticationType"/>.</summary>
public static class MeshClaimTypes
{
    /// <summary>The authentication type of a peer's identity: <c>Mesh</c>.</summary>
    public const string AuthenticationType = "Mesh";

    /// <summary>The calling service's name; it is also the identity's name.</summary>
    public const string Service = "mesh_service";

    /// <summary>The caller's whole SPIFFE id.</summary>
    public const string SpiffeId = "mesh_spiffe_id";

    /// <summary>The namespace the caller runs in.</summary>
    public const string Namespace = "mesh_namespace";

    /// <summary>The datacenter the caller runs in.</summary>
    public const string Datacenter = "mesh_datacenter";
}
