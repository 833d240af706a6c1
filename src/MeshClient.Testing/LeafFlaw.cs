namespace MeshClient.Testing;

/// <summary>
/// One thing that is wrong with an otherwise good leaf, for
/// <see cref="TestCertificateAuthority.IssueFlawed"/>. Whoever checks a peer has to refuse every one of them, with the
/// stated exceptions.
/// </summary>
public enum LeafFlaw
{
    /// <summary>Its time was over an hour ago.</summary>
    Expired,

    /// <summary>Its time begins in an hour.</summary>
    NotYetValid,

    /// <summary>It has no subject alternative name.</summary>
    NoName,

    /// <summary>It names a host, <c>service.example.test</c>, and no URI.</summary>
    HostNameOnly,

    /// <summary>It names two services, its own first.</summary>
    TwoUriNames,

    /// <summary>Its URI is a web address.</summary>
    WebAddress,

    /// <summary>Its id names the trust domain and no workload.</summary>
    TrustDomainOnly,

    /// <summary>Its id belongs to the trust domain <c>other.example.test</c>.</summary>
    OtherTrustDomain,

    /// <summary>Its id names the service <c>someone-else</c>. Good for that service, wrong for the one asked for.</summary>
    OtherService,

    /// <summary>Its id names the datacenter <c>elsewhere</c>. Good for an instance there, wrong for the one asked for.</summary>
    OtherDatacenter,

    /// <summary>Its id reaches the service's name by way of <c>..</c>.</summary>
    DotSegments,

    /// <summary>Its id has a slash written as <c>%2f</c>.</summary>
    EncodedSlash,

    /// <summary>Its id ends with a slash.</summary>
    TrailingSlash,

    /// <summary>It is a CA certificate.</summary>
    Authority,

    /// <summary>Its extended key usage is for clients only. Good for a caller, wrong for a called instance.</summary>
    ClientOnly,

    /// <summary>Its extended key usage is for servers only. Good for a called instance, wrong for a caller.</summary>
    ServerOnly,

    /// <summary>Its key usage does not allow digital signatures, without which TLS proves nothing.</summary>
    NoDigitalSignature,

    /// <summary>It has no key usage, and so is good for everything.</summary>
    NoKeyUsage,

    /// <summary>Its key usage allows it to sign certificates.</summary>
    SignsCertificates,

    /// <summary>It is signed by an authority with the right name and the wrong key.</summary>
    SameNamedStranger,

    /// <summary>It is signed by itself.</summary>
    SelfSigned,

    /// <summary>It is signed by an intermediate that is not sent along.</summary>
    MissingIntermediate,
}
