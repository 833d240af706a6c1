namespace MeshClient.Configuration;

/// <summary>
/// Health checks this process makes of the instances it calls, besides those of the registry: over the same connections as calls,
/// with mutual TLS for instances of the mesh, so what they show is what calls would meet. Only of services that have been
/// called lately. A null property takes the value of <see cref="MeshOptions.Defaults"/>.
/// </summary>
public sealed class MeshProbeOptions
{
    /// <summary>How it is checked. Default: <see cref="ProbeKind.Off"/>.</summary>
    public ProbeKind? Kind { get; set; }

    /// <summary>Between two checks of an instance; the instances are spread over it. 100 ms to 1 h. Default: <see cref="MeshDefaults.ProbeInterval"/>.</summary>
    public TimeSpan? Interval { get; set; }

    /// <summary>How long a check may take. 10 ms to 5 min. Default: <see cref="MeshDefaults.ProbeTimeout"/>.</summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>How many checks in a row have to fail for the instance to be left out. 1 to 100. Default: <see cref="MeshDefaults.ProbeUnhealthyThreshold"/>.</summary>
    public int? UnhealthyThreshold { get; set; }

    /// <summary>How many checks in a row have to pass for it to come back. 1 to 100. Default: <see cref="MeshDefaults.ProbeHealthyThreshold"/>.</summary>
    public int? HealthyThreshold { get; set; }

    /// <summary>
    /// What <see cref="ProbeKind.Http"/> asks for: a path, with or without a query. The answer has to be 2xx. The instance has to let
    /// this process call it. Default: <c>/healthz</c>.
    /// </summary>
    public string? Path { get; set; }

    /// <summary>The service <see cref="ProbeKind.Grpc"/> asks about. Default: empty, which is the instance as a whole.</summary>
    public string? GrpcService { get; set; }

    /// <summary>How long after its last call a service is still checked. 1 s to 1 day. Default: <see cref="MeshDefaults.ProbeIdleTimeout"/>.</summary>
    public TimeSpan? IdleTimeout { get; set; }
}

/// <summary>How a health check is made.</summary>
public enum ProbeKind
{
    /// <summary>Not at all.</summary>
    Off,

    /// <summary>A GET that has to be answered with 2xx.</summary>
    Http,

    /// <summary>A connection, with the whole handshake for instances of the mesh, that is closed at once.</summary>
    Tcp,

    /// <summary>
    /// The gRPC health checking protocol: <c>grpc.health.v1.Health/Check</c> has to answer SERVING. An instance that does not have
    /// it (UNIMPLEMENTED) is taken for healthy.
    /// </summary>
    Grpc,
}
