namespace MeshClient.Configuration;

/// <summary>
/// What an app tells the mesh. Read from the section <c>Mesh</c> of the configuration, then from code. Keys that are not
/// known are errors at start, as are all values out of range, reported together.
/// </summary>
public sealed class MeshOptions
{
    /// <summary>The configuration section's name.</summary>
    public const string SectionName = "Mesh";

    /// <summary>
    /// The service this app is a copy of: the name in its certificate and in the registry. Null: the app calls others but has
    /// no identity, so it can call no mesh instance. Default: null.
    /// </summary>
    public string? Service { get; set; }

    /// <summary>
    /// The zone this app runs in, as its registry names zones: what <see cref="MeshBalancingOptions.Zone"/> prefers, and what the app
    /// is registered with. Null: none. Default: null.
    /// </summary>
    public string? Zone { get; set; }

    /// <summary>Where the registry and certificate authority are.</summary>
    public MeshControlPlaneOptions ControlPlane { get; set; } = new();

    /// <summary>The file that lets the app be restarted while the control plane is away. Default: none.</summary>
    public MeshStateFileOptions StateFile { get; set; } = new();

    /// <summary>What happens to calls to hosts the mesh does not know. Default: <see cref="OutboundTrafficPolicy.AllowAny"/>.</summary>
    public OutboundTrafficPolicy OutboundTraffic { get; set; } = OutboundTrafficPolicy.AllowAny;

    /// <summary>
    /// How long a service's instances stay watched after the last call to it. 1 s to 1 day. Default:
    /// <see cref="MeshDefaults.WatchIdleTimeout"/>.
    /// </summary>
    public TimeSpan WatchIdleTimeout { get; set; } = MeshDefaults.WatchIdleTimeout;

    /// <summary>
    /// How long the first call to a service waits for its instances and this process's certificate. 10 ms to 5 min.
    /// Default: <see cref="MeshDefaults.DiscoveryTimeout"/>.
    /// </summary>
    public TimeSpan DiscoveryTimeout { get; set; } = MeshDefaults.DiscoveryTimeout;

    /// <summary>
    /// Over what time connections made with an old certificate are replaced after a renewal. 0 (at once) to 1 hour. Default:
    /// <see cref="MeshDefaults.RotationSpread"/>.
    /// </summary>
    public TimeSpan RotationSpread { get; set; } = MeshDefaults.RotationSpread;

    /// <summary>How this process gets its certificate and how certificates are treated.</summary>
    public MeshIdentityOptions Identity { get; set; } = new();

    /// <summary>
    /// Ports of this machine that lead to services, by the service's name (<c>_admin.postgres</c> for a named endpoint), for drivers
    /// and programs that know nothing of the mesh. Default: none.
    /// </summary>
    public Dictionary<string, MeshForwarderOptions> Forwards { get; set; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>How calls are made to services without an entry in <see cref="Destinations"/>.</summary>
    public MeshDestinationOptions Defaults { get; set; } = new();

    /// <summary>How calls are made to a service, by its name. What an entry leaves out comes from <see cref="Defaults"/>.</summary>
    public Dictionary<string, MeshDestinationOptions> Destinations { get; set; } = new(StringComparer.OrdinalIgnoreCase);
}

/// <summary>What happens to calls to hosts the mesh does not know.</summary>
public enum OutboundTrafficPolicy
{
    /// <summary>They pass through untouched.</summary>
    AllowAny,

    /// <summary>They are refused.</summary>
    MeshOnly,
}
