using System.Collections.Immutable;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>The authority of the mesh: its trust domain, its roots (the one that signs first) and its configuration.</summary>
internal sealed record AuthorityState
{
    public required string TrustDomain { get; init; }

    public required ImmutableArray<CaRoot> Roots { get; init; }

    public required CaConfiguration Configuration { get; init; }

    public required ulong RootsIndex { get; init; }

    /// <summary>When the signing root last changed; null when it never did.</summary>
    public DateTimeOffset? RotatedAt { get; init; }

    /// <summary>The root that signs.</summary>
    public CaRoot Active => Roots[0];
}

/// <summary>The certificate a service has at the moment. Holds a secret.</summary>
internal sealed record LeafRecord
{
    public required string Service { get; init; }

    public required string ServiceUri { get; init; }

    public required string SerialNumber { get; init; }

    public required string CertificatePem { get; init; }

    public required string PrivateKeyPem { get; init; }

    public required string RootId { get; init; }

    public required DateTimeOffset ValidAfter { get; init; }

    public required DateTimeOffset ValidBefore { get; init; }

    /// <summary>When it is due for renewal by its age.</summary>
    public required DateTimeOffset RenewAt { get; init; }

    /// <summary>Where in a spread this certificate lies, 0 to 1; the same for all who wait for it.</summary>
    public required double Spread { get; init; }

    public ulong Index { get; init; }

    public override string ToString() => $"leaf {SerialNumber} of {Service}";
}
