namespace MeshClient.AspNetCore.Registration;

/// <summary>
/// What this instance tells the registry about itself. Read from the section <c>Mesh:Registration</c> of the configuration,
/// then from code. Keys that are not known are errors at start, as are all values out of range, reported together.
/// </summary>
public sealed class MeshRegistrationOptions
{
    /// <summary>The configuration section's name.</summary>
    public const string SectionName = "Mesh:Registration";

    /// <summary>Whether the instance registers itself. False: something else does. Default: true.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// The IP address or host name others reach this instance at, without a port. Null: the address the mesh listener is
    /// bound to, or when that is every interface, the first address of an interface that has a gateway. Default: null.
    /// </summary>
    public string? Address { get; set; }

    /// <summary>The port others reach it at, 1 to 65535. Null: the one the mesh listener is bound to. Default: null.</summary>
    public int? Port { get; set; }

    /// <summary>
    /// The instance's id, unique in the whole registry. Null: made as <c>service-host-port-random</c> at each start, which
    /// is what keeps two copies from replacing each other. Default: null.
    /// </summary>
    public string? InstanceId { get; set; }

    /// <summary>Tags. Default: none.</summary>
    public IList<string> Tags { get; set; } = [];

    /// <summary>Metadata. Default: none.</summary>
    public Dictionary<string, string> Meta { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Its share of calls relative to other instances. 1 to 65535. Default: 1.</summary>
    public int Weight { get; set; } = 1;

    /// <summary>
    /// How long it may be silent before it counts as critical; it beats three times in it. 1 s to 1 hour. Default:
    /// <see cref="MeshRegistrationDefaults.TimeToLive"/>.
    /// </summary>
    public TimeSpan TimeToLive { get; set; } = MeshRegistrationDefaults.TimeToLive;

    /// <summary>
    /// How long it may be critical before the registry forgets it. 1 min to 7 days; 0: never. Default:
    /// <see cref="MeshRegistrationDefaults.DeregisterAfter"/>.
    /// </summary>
    public TimeSpan DeregisterAfter { get; set; } = MeshRegistrationDefaults.DeregisterAfter;

    /// <summary>
    /// How long it goes on serving after it has said that it stops, so that every caller has heard of it. 0 to 5 min.
    /// Default: <see cref="MeshRegistrationDefaults.DrainDelay"/>.
    /// </summary>
    public TimeSpan DrainDelay { get; set; } = MeshRegistrationDefaults.DrainDelay;

    /// <summary>
    /// How long it then waits for requests under way. 0 (not at all) to 1 hour. Together with <see cref="DrainDelay"/> it has
    /// to fit into the host's shutdown timeout, which ends both; the instance then leaves the registry without waiting for
    /// them. Default: <see cref="MeshRegistrationDefaults.DrainTimeout"/>.
    /// </summary>
    public TimeSpan DrainTimeout { get; set; } = MeshRegistrationDefaults.DrainTimeout;
}
