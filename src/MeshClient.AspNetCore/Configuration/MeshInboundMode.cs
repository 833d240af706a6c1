namespace MeshClient.AspNetCore.Configuration;

/// <summary>Whether the rules about callers are in force.</summary>
public enum MeshInboundMode
{
    /// <summary>They are: what they deny is refused.</summary>
    Enforce,

    /// <summary>
    /// They are tried: what intentions, the default action or the mesh's rules about endpoints would deny is logged, counted and
    /// told to observers, and goes on. Still refused are handshakes, requests without a peer, everything while the intentions
    /// have never been read, what the app's own authorization refuses, and the endpoints of <c>MapMeshDiagnostics</c>.
    /// </summary>
    Shadow,
}
