namespace MeshClient.Server;

/// <summary>The defaults of <see cref="MeshServerOptions"/>.</summary>
public static class MeshServerDefaults
{
    /// <summary>The configuration section the options are read from.</summary>
    public const string SectionName = "MeshServer";

    /// <summary>Where a server listens that is told nothing else: Consul's own port, on this machine only.</summary>
    public static readonly Uri ListenAddress = new("http://127.0.0.1:8500");

    /// <summary>How long the answer of another datacenter is waited for: Consul's limit on a call between servers.</summary>
    public static readonly TimeSpan DatacenterTimeout = TimeSpan.FromSeconds(10);

    /// <summary>The datacenter (Consul's default).</summary>
    public const string Datacenter = "dc1";

    /// <summary>The life of a leaf (Consul's default).</summary>
    public static readonly TimeSpan LeafCertificateLifetime = TimeSpan.FromHours(72);

    /// <summary>
    /// Over how long renewals are spread when the root is replaced. Consul takes 30 s, for clusters of thousands; this server
    /// is for smaller meshes, where one second is enough to smooth the work.
    /// </summary>
    public static readonly TimeSpan RotationSpread = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How many certificates are signed in a second. Consul's 50 protect its replicated log, which is not there: the limit here only keeps a
    /// burst of clients from taking all of the processor.
    /// </summary>
    public const int MaxLeavesPerSecond = 1000;

    /// <summary>
    /// 24 h: how long a token lives that somebody got by logging in, where the auth method says nothing. In Consul it then lives for
    /// ever; this is the longest life Consul allows a token that ends (acl.token_max_expiration_ttl).
    /// </summary>
    public static readonly TimeSpan LoginTokenLifetime = TimeSpan.FromHours(24);

    /// <summary>The share of TTL checks that has to be beaten for self-preservation not to begin (Eureka's renewal threshold).</summary>
    public const double SelfPreservationThreshold = 0.85;
}
