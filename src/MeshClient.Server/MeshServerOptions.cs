namespace MeshClient.Server;

/// <summary>
/// How a registry and certificate authority works. Read from the section <c>MeshServer</c> of the configuration, where an
/// unknown key is an error, and from code, which comes after it; checked when the host starts, all errors at once.
/// </summary>
public sealed class MeshServerOptions
{
    /// <summary>
    /// Where the server listens with a listener of its own: <c>http</c>, an IP address or <c>localhost</c>, and a port, 0 for
    /// any free one. Null: none when its endpoints are mapped into the app by <c>MapMeshServer()</c> or
    /// <see cref="MeshServerHttpsOptions.ListenAddress"/> is set, else
    /// <see cref="MeshServerDefaults.ListenAddress"/>. Default: null.
    /// </summary>
    public Uri? ListenAddress { get; set; }

    /// <summary>
    /// Whether others than this machine may call in over plain HTTP. Every one of them gets the private key of any service, unless
    /// <see cref="AccessControl"/> demands tokens; whoever can read on the way gets the keys and tokens that are sent all the
    /// same: for networks that are trusted as a whole. Default: false, then a <see cref="ListenAddress"/> beyond loopback is an
    /// error, and a plain call from elsewhere is answered 403.
    /// </summary>
    public bool AllowPlaintextBeyondLoopback { get; set; }

    /// <summary>
    /// Whether others than this machine may call the endpoints of <c>MapMeshServer()</c> over HTTPS although these require no
    /// authorization. Every one of them then gets the private key of any service. Default: false, then such a call is
    /// answered 403; endpoints with <c>RequireAuthorization()</c> need no leave from here. A proxy on this machine is taken for
    /// this machine, whomever it speaks for, unless the app restores the caller's address.
    /// </summary>
    public bool AllowUnauthenticatedBeyondLoopback { get; set; }

    /// <summary>The datacenter: lower case letters, digits, <c>-</c> and <c>_</c>. Part of every identity. Default: dc1.</summary>
    public string Datacenter { get; set; } = MeshServerDefaults.Datacenter;

    /// <summary>The name of the one node all services are registered on. Default: the machine's name in lower case.</summary>
    public string NodeName { get; set; } = Environment.MachineName.ToLowerInvariant();

    /// <summary>The address of that node, an IP address. Default: 127.0.0.1.</summary>
    public string NodeAddress { get; set; } = "127.0.0.1";

    /// <summary>HTTPS on a listener of the server's own. Default: none.</summary>
    public MeshServerHttpsOptions Https { get; set; } = new();

    /// <summary>
    /// Other datacenters by name, the names being of the form of <see cref="Datacenter"/>. Reads that name one are forwarded to
    /// it; one that is not here is answered with Consul's <c>No path to datacenter</c>. Default: none.
    /// </summary>
    public IDictionary<string, MeshServerDatacenterOptions> Datacenters { get; } =
        new Dictionary<string, MeshServerDatacenterOptions>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Who may call what: tokens and their rules. Default: off, as in Consul.</summary>
    public MeshServerAccessControlOptions AccessControl { get; set; } = new();

    /// <summary>
    /// What holds for a call that no intention speaks about. Default: deny, so that a mesh is closed until its intentions open
    /// it; a Consul without access control allows.
    /// </summary>
    public DefaultIntentionPolicy DefaultIntentionPolicy { get; set; } = DefaultIntentionPolicy.Deny;

    /// <summary>
    /// The directory that lets everything outlive the server: roots and their sealed keys, intentions, what is registered, and
    /// the rest. A write is acknowledged once it is on the disk in it. Made when it is not there, with rights for the owner
    /// only, and used by one server at a time. Null: everything is in memory, and a restart makes a new mesh with other roots.
    /// Default: null.
    /// </summary>
    public string? DataDirectory { get; set; }

    /// <summary>
    /// The life of a leaf, 1 second to 8760 hours; the HTTP API takes no less than 1 hour. Null: what the API set last, else
    /// <see cref="MeshServerDefaults.LeafCertificateLifetime"/>. When set, it replaces what the API set. Default: null.
    /// </summary>
    public TimeSpan? LeafCertificateLifetime { get; set; }

    /// <summary>
    /// Over how long renewals are spread when the root is replaced, 0 to 5 minutes. Default:
    /// <see cref="MeshServerDefaults.RotationSpread"/>.
    /// </summary>
    public TimeSpan RotationSpread { get; set; } = MeshServerDefaults.RotationSpread;

    /// <summary>
    /// How many certificates are signed in a second, 0 for no limit; past it callers are answered 429. Default:
    /// <see cref="MeshServerDefaults.MaxLeavesPerSecond"/>.
    /// </summary>
    public int MaxLeavesPerSecond { get; set; } = MeshServerDefaults.MaxLeavesPerSecond;

    /// <summary>
    /// Whether instances are kept when most beats stop at once, which tells rather of a broken network than of that many dead
    /// instances: their TTL checks then stay as they are, and nothing is taken out by <c>DeregisterCriticalServiceAfter</c>,
    /// until beats come again. An instance that goes silent alone is noticed half its time to live later. Default: false.
    /// </summary>
    public bool SelfPreservation { get; set; }

    /// <summary>
    /// The share of TTL checks, above 0 and below 1, that has to be beaten; with fewer, and at least three silent, self-preservation
    /// begins. Without <see cref="SelfPreservation"/> it means nothing. Default: <see cref="MeshServerDefaults.SelfPreservationThreshold"/>.
    /// </summary>
    public double SelfPreservationThreshold { get; set; } = MeshServerDefaults.SelfPreservationThreshold;

    /// <summary>
    /// How many connections one client address may have open at a time, 0 for no limit; requests on the others are answered
    /// 429. Counts for the server's own listener only. Default: 0.
    /// </summary>
    public int MaxConnectionsPerClient { get; set; }
}
