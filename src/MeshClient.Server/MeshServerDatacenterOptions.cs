namespace MeshClient.Server;

/// <summary>Another datacenter. Section <c>MeshServer:Datacenters:(its name)</c>.</summary>
public sealed class MeshServerDatacenterOptions
{
    /// <summary>
    /// Where its server is, one that speaks the Consul API: <c>http</c> or <c>https</c>, without a path. Reads with
    /// <c>?dc=(its name)</c> are forwarded to it, with the caller's token, and it alone judges what that allows: who can reach
    /// this server reads of the other one what the other one shows to this one without a token. Needed.
    /// </summary>
    public Uri? Address { get; set; }

    /// <summary>
    /// Whether <see cref="Address"/> may be plain HTTP to another machine. The callers' tokens then travel in plain text. Default:
    /// false, then that is an error.
    /// </summary>
    public bool AllowPlaintext { get; set; }

    /// <summary>
    /// How long its answer is waited for, 100 milliseconds to 5 minutes, on top of the wait that a blocking read asks for. Default:
    /// <see cref="MeshServerDefaults.DatacenterTimeout"/>.
    /// </summary>
    public TimeSpan Timeout { get; set; } = MeshServerDefaults.DatacenterTimeout;

    /// <summary>
    /// The roots its certificate has to come from, a PEM file; an expired or misnamed certificate is refused all the same. Null:
    /// those of the machine. Default: null.
    /// </summary>
    public string? TrustedCertificatesPath { get; set; }
}
