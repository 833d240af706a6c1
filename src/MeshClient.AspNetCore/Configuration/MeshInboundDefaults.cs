namespace MeshClient.AspNetCore.Configuration;

/// <summary>The values of <see cref="MeshInboundOptions"/> that hold when nobody says otherwise, each with where it comes from.</summary>
public static class MeshInboundDefaults
{
    /// <summary>
    /// <c>*:0</c>: every network interface and a free port. An instance has to be reached from other machines, and nobody
    /// without a certificate of the mesh gets past the handshake; callers learn the port from the registry.
    /// </summary>
    public const string Address = "*:0";

    /// <summary>10 s: Kestrel's own handshake timeout (HttpsConnectionAdapterOptions.HandshakeTimeout).</summary>
    public static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);

    /// <summary>30 s: the host's own shutdown timeout, taken for its start as well; an orchestrator waits at least that long.</summary>
    public static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    /// <summary>5 s: as often as an instance beats (a third of its time to live).</summary>
    public static readonly TimeSpan ExposeCheckInterval = TimeSpan.FromSeconds(5);

    /// <summary>
    /// 500 ms: how long a request whose permit has been withdrawn may still take to end by itself. Far more than most need, and with
    /// what a change takes to get here, a stream ends about a second after it.
    /// </summary>
    public static readonly TimeSpan WithdrawalGrace = TimeSpan.FromMilliseconds(500);

    /// <summary>1 s: the least <c>Retry-After</c> can say, and the window in which a learned limit changes.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
}
