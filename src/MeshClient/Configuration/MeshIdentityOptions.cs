namespace MeshClient.Configuration;

/// <summary>How this process gets its certificate and how certificates are treated.</summary>
public sealed class MeshIdentityOptions
{
    /// <summary>
    /// How long a connection may go on after a certificate it was made with has ended, this process's or its peer's, whichever
    /// ends first. It takes no new requests from before that moment on, and is closed at the latest when this time is over,
    /// whatever is under way on it. Not below <see cref="ClockAllowance"/>. 0 to 1 hour. Default:
    /// <see cref="MeshDefaults.ExpiryGrace"/>.
    /// </summary>
    public TimeSpan ExpiryGrace { get; set; } = MeshDefaults.ExpiryGrace;

    /// <summary>
    /// By how much a peer's certificate may seem to begin too late or to have ended, because clocks differ. 0 to 5 min. Default:
    /// <see cref="MeshDefaults.ClockAllowance"/>.
    /// </summary>
    public TimeSpan ClockAllowance { get; set; } = MeshDefaults.ClockAllowance;

    /// <summary>
    /// Whether the private key is made in this process and only a request for a certificate leaves it. A MeshClient.Server signs
    /// requests; Consul has no such call and makes the key itself. Default: <see cref="SigningRequestUse.Auto"/>.
    /// </summary>
    public SigningRequestUse SigningRequests { get; set; } = SigningRequestUse.Auto;

    /// <summary>What key is made for such a request. Default: <see cref="LeafKeyType.EcdsaP256"/>, as Consul's.</summary>
    public LeafKeyType KeyType { get; set; } = LeafKeyType.EcdsaP256;

    /// <summary>
    /// A PEM file with this service's certificate and its intermediates, for when somebody else renews it, such as cert-manager
    /// (<c>tls.crt</c>). Its SPIFFE id has to name <see cref="MeshOptions.Service"/>. Set together with
    /// <see cref="PrivateKeyFile"/> and <see cref="RootsFile"/>; no control plane is then asked for certificates. Null: not in
    /// files. Default: null.
    /// </summary>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM file with its private key, not encrypted (<c>tls.key</c>). Default: null.</summary>
    public string? PrivateKeyFile { get; set; }

    /// <summary>The PEM file with the roots that members of this trust domain are known by (<c>ca.crt</c>). Default: null.</summary>
    public string? RootsFile { get; set; }

    /// <summary>
    /// How often files of certificates are looked at for changes. Files that are no pair, or cannot be read, leave what was read
    /// before in force. 100 ms to 1 hour. Default: <see cref="MeshDefaults.FileInterval"/>.
    /// </summary>
    public TimeSpan FileInterval { get; set; } = MeshDefaults.FileInterval;

    /// <summary>
    /// Other trust domains the members of which may be called and may call, by their names. Not this process's own, the roots of
    /// which come from where its certificate does: with that one among them there is no identity, and an error says so. Default: none.
    /// </summary>
    public Dictionary<string, MeshTrustDomainOptions> TrustDomains { get; set; } = new(StringComparer.OrdinalIgnoreCase);
}

/// <summary>Whether certificates are had by request, so that the private key stays in the process.</summary>
public enum SigningRequestUse
{
    /// <summary>Where the control plane signs requests; elsewhere it makes key and certificate.</summary>
    Auto,

    /// <summary>Always: without it there is no certificate.</summary>
    Always,

    /// <summary>Never: the control plane makes key and certificate, and renews them.</summary>
    Never,
}

/// <summary>A type of private key.</summary>
public enum LeafKeyType
{
    /// <summary>EC on the curve P-256.</summary>
    EcdsaP256,

    /// <summary>EC on the curve P-384.</summary>
    EcdsaP384,

    /// <summary>RSA with 2048 bits.</summary>
    Rsa2048,

    /// <summary>RSA with 3072 bits.</summary>
    Rsa3072,
}
