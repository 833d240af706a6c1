namespace MeshClient.Configuration;

/// <summary>
/// A file that lets the app be restarted while the control plane is away: the last instances of the services it calls, the
/// intentions about calls to it, the roots of the mesh and, when asked for, its own certificate with the key. What the file says
/// is used only until the control plane has answered, and only when it does not answer.
/// </summary>
/// <remarks>
/// The file is sealed (encrypted and authenticated), by one of <see cref="Key"/>, <see cref="KeyFile"/>, a registered
/// <see cref="Restart.IStateProtector"/>, or the data protection of ASP.NET Core (<c>AddMeshDataProtection()</c>). A path without
/// any of them, or with more than one, stops the app at start. A file that was changed, belongs to another service or trust
/// domain, comes from the future, is of an unknown version, or that others than its owner may read or write, is refused with an
/// error in the log, and the app starts as if there were none: without intentions nobody may call it.
/// </remarks>
public sealed class MeshStateFileOptions
{
    /// <summary>
    /// The file. Its directory is made, for its owner only, when it is not there; one in which others may write is refused. Two
    /// services must not share a file; two copies of a service may, and the last to write wins. Null: there is none. Default: null.
    /// </summary>
    public string? Path { get; set; }

    /// <summary>The key, 32 bytes as base64: AES-256-GCM. Null: another way is taken. Default: null.</summary>
    public string? Key { get; set; }

    /// <summary>A file that holds the key: 32 bytes, as they are or as base64. Null: another way is taken. Default: null.</summary>
    public string? KeyFile { get; set; }

    /// <summary>
    /// Whether the app's certificate and its private key are kept too. Without them a restart with the control plane away has no
    /// identity: the app can neither call instances of the mesh nor be called. A certificate from files of its own, and roots from
    /// files, are not kept here. Default: false.
    /// </summary>
    public bool IncludeCertificate { get; set; }

    /// <summary>
    /// How old what the file says may be, since the control plane last confirmed it. 1 min to 365 days. Default:
    /// <see cref="MeshDefaults.StateFileMaxAge"/>.
    /// </summary>
    public TimeSpan MaxAge { get; set; } = MeshDefaults.StateFileMaxAge;

    /// <summary>
    /// The least time between two writes; they happen when something has changed, every 5 min when the control plane has only
    /// confirmed it, and when the app stops. 1 s to 1 hour. Default: <see cref="MeshDefaults.StateFileWriteInterval"/>.
    /// </summary>
    public TimeSpan WriteInterval { get; set; } = MeshDefaults.StateFileWriteInterval;
}
