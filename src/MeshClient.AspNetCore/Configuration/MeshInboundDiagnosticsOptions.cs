namespace MeshClient.AspNetCore.Configuration;

/// <summary>Whether and to whom the endpoints of <c>MapMeshDiagnostics</c> tell what this app's rules are.</summary>
public sealed class MeshInboundDiagnosticsOptions
{
    /// <summary>Whether there are such endpoints at all. Default: false, then <c>MapMeshDiagnostics</c> maps nothing.</summary>
    public bool Enabled { get; set; }

    /// <summary>
    /// Who may call them, over the mesh: service names of this trust domain, or SPIFFE ids. Intentions have to allow them as well.
    /// One at least where they are enabled.
    /// </summary>
    public IList<string> Callers { get; set; } = [];
}
