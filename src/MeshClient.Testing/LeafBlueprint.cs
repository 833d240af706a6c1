using System.Security.Cryptography.X509Certificates;
using MeshClient.Core;
using MeshClient.Core.Naming;

namespace MeshClient.Testing;

/// <summary>
/// What a leaf is to look like, right or wrong. Every default is that of a good one; change with <c>with</c> what a test is
/// about. Nothing here is checked.
/// </summary>
public sealed record LeafBlueprint
{
    /// <summary>The extended key usage of a TLS client.</summary>
    public const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    /// <summary>The extended key usage of a TLS server.</summary>
    public const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>
    /// The URI names, written as they are, in order; a good leaf has one, a SPIFFE id. Without these and
    /// <see cref="HostNames"/> there is no subject alternative name at all.
    /// </summary>
    public required EquatableArray<string> Uris { get; init; }

    /// <summary>The DNS names. Default: none.</summary>
    public EquatableArray<string> HostNames { get; init; }

    /// <summary>The common name of the subject; proves nothing. Default: <c>test</c>.</summary>
    public string CommonName { get; init; } = "test";

    /// <summary>When it becomes valid, from the moment of issue on; negative for the past. Default: 1 minute ago.</summary>
    public TimeSpan ValidFrom { get; init; } = TimeSpan.FromMinutes(-1);

    /// <summary>When it expires, from the moment of issue on; negative for the past. Default: in 72 hours.</summary>
    public TimeSpan ValidUntil { get; init; } = TimeSpan.FromHours(72);

    /// <summary>Whether it says that it is a CA. Default: false.</summary>
    public bool IsAuthority { get; init; }

    /// <summary>
    /// Its key usage; null for no such extension. Key agreement without digital signature cannot be made: the platform then
    /// takes the key for one that cannot sign. Default: what Consul gives a leaf.
    /// </summary>
    public X509KeyUsageFlags? KeyUsage { get; init; } =
        X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment
        | X509KeyUsageFlags.DataEncipherment | X509KeyUsageFlags.KeyAgreement;

    /// <summary>Its extended key usages, by their object ids; empty for no such extension. Default: client and server.</summary>
    public EquatableArray<string> ExtendedKeyUsages { get; init; } = [ClientAuthentication, ServerAuthentication];

    /// <summary>Who signs it. Default: <see cref="LeafSigner.ActiveRoot"/>.</summary>
    public LeafSigner Signer { get; init; } = LeafSigner.ActiveRoot;

    /// <summary>The blueprint of a good leaf.</summary>
    /// <param name="id">The identity it proves.</param>
    public static LeafBlueprint For(SpiffeId id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return new LeafBlueprint { Uris = [id.ToString()] };
    }

    /// <summary>The blueprint of a leaf that is good but for one flaw.</summary>
    /// <param name="trustDomain">The trust domain it should have.</param>
    /// <param name="datacenter">The datacenter it should have.</param>
    /// <param name="service">The service it should have.</param>
    /// <param name="flaw">What is wrong with it.</param>
    internal static LeafBlueprint WithFlaw(string trustDomain, string datacenter, ServiceName service, LeafFlaw flaw)
    {
        var domain = $"spiffe://{trustDomain}";
        var id = $"{domain}/ns/default/dc/{datacenter}/svc/{service}";
        var good = new LeafBlueprint { Uris = [id] };
        var hour = TimeSpan.FromHours(1);
        return flaw switch
        {
            LeafFlaw.Expired => good with { ValidFrom = -2 * hour, ValidUntil = -hour },
            LeafFlaw.NotYetValid => good with { ValidFrom = hour, ValidUntil = 2 * hour },
            LeafFlaw.NoName => good with { Uris = [] },
            LeafFlaw.HostNameOnly => good with { Uris = [], HostNames = [$"{service}.example.test"] },
            LeafFlaw.TwoUriNames => good with { Uris = [id, $"{domain}/ns/default/dc/{datacenter}/svc/someone-else"] },
            LeafFlaw.WebAddress => good with { Uris = [$"https://{trustDomain}/ns/default/dc/{datacenter}/svc/{service}"] },
            LeafFlaw.TrustDomainOnly => good with { Uris = [domain] },
            LeafFlaw.OtherTrustDomain => good with { Uris = [$"spiffe://other.example.test/ns/default/dc/{datacenter}/svc/{service}"] },
            LeafFlaw.OtherService => good with { Uris = [$"{domain}/ns/default/dc/{datacenter}/svc/someone-else"] },
            LeafFlaw.OtherDatacenter => good with { Uris = [$"{domain}/ns/default/dc/elsewhere/svc/{service}"] },
            LeafFlaw.DotSegments => good with { Uris = [$"{domain}/ns/default/dc/{datacenter}/svc/someone-else/../{service}"] },
            LeafFlaw.EncodedSlash => good with { Uris = [$"{domain}/ns/default/dc/{datacenter}/svc%2f{service}"] },
            LeafFlaw.TrailingSlash => good with { Uris = [$"{id}/"] },
            LeafFlaw.Authority => good with { IsAuthority = true },
            LeafFlaw.ClientOnly => good with { ExtendedKeyUsages = [ClientAuthentication] },
            LeafFlaw.ServerOnly => good with { ExtendedKeyUsages = [ServerAuthentication] },
            LeafFlaw.NoDigitalSignature => good with { KeyUsage = X509KeyUsageFlags.KeyEncipherment },
            LeafFlaw.NoKeyUsage => good with { KeyUsage = null },
            LeafFlaw.SignsCertificates => good with
            {
                KeyUsage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign,
            },
            LeafFlaw.SameNamedStranger => good with { Signer = LeafSigner.SameNamedStranger },
            LeafFlaw.SelfSigned => good with { Signer = LeafSigner.Itself },
            LeafFlaw.MissingIntermediate => good with { Signer = LeafSigner.MissingIntermediate },
            _ => throw new ArgumentOutOfRangeException(nameof(flaw), flaw, "Not a flaw."),
        };
    }
}
