using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Identity;

/// <summary>
/// What this process proves itself with and whom it believes, at one moment. Immutable; a renewal makes a new one.
/// </summary>
internal sealed class IdentitySnapshot
{
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientAuthentication = new("1.3.6.1.5.5.7.3.2");

    /// <param name="leaf">This process's certificate.</param>
    /// <param name="context">The same, from <see cref="ContextOf"/>.</param>
    /// <param name="bundle">The roots trusted.</param>
    /// <param name="foreign">The roots of other trust domains that are believed about their own members.</param>
    /// <param name="intermediates">What peers have shown between their leaf and their root.</param>
    public IdentitySnapshot(
        LeafCertificate leaf,
        SslStreamCertificateContext context,
        TrustBundle bundle,
        IReadOnlyList<TrustBundle> foreign,
        KnownIntermediates intermediates)
    {
        Leaf = leaf;
        Context = context;
        Bundle = bundle;
        Foreign = foreign;
        Intermediates = intermediates;
    }

    public LeafCertificate Leaf { get; }

    public TrustBundle Bundle { get; }

    /// <summary>The bundles of other trust domains.</summary>
    public IReadOnlyList<TrustBundle> Foreign { get; }

    public KnownIntermediates Intermediates { get; }

    /// <summary>The leaf with the intermediates that are sent after it.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>
    /// Makes the context of a leaf, once: without one every handshake resolves the chain again and may go to the network for it.
    /// </summary>
    public static SslStreamCertificateContext ContextOf(LeafCertificate leaf) =>
        SslStreamCertificateContext.Create(leaf.Certificate, [.. leaf.Intermediates], offline: true, trust: null);

    /// <summary>The roots of a trust domain, in lower case; null when nothing is believed about it.</summary>
    public TrustBundle? FindBundle(string trustDomain)
    {
        if (string.Equals(Bundle.TrustDomain, trustDomain, StringComparison.Ordinal))
        {
            return Bundle;
        }

        foreach (var bundle in Foreign)
        {
            if (string.Equals(bundle.TrustDomain, trustDomain, StringComparison.Ordinal))
            {
                return bundle;
            }
        }

        return null;
    }

    /// <summary>Whether a root, as encoded, is one of those trusted.</summary>
    public bool Trusts(ReadOnlyMemory<byte> root) => Has(Bundle, root) || Foreign.Any(bundle => Has(bundle, root));

    /// <summary>How the certificate of a server is judged that has to be of a trust domain: by that one's roots only.</summary>
    public X509ChainPolicy ServerChainPolicy(TrustBundle bundle) => ChainPolicy(ServerAuthentication, bundle.Roots);

    /// <summary>How a client's certificate is judged: by the roots of all trust domains; of which it is shows afterwards.</summary>
    public X509ChainPolicy ClientChainPolicy() => ChainPolicy(
        ClientAuthentication, Foreign.Count == 0 ? Bundle.Roots : [.. Bundle.Roots, .. Foreign.SelectMany(static bundle => bundle.Roots)]);

    private static bool Has(TrustBundle bundle, ReadOnlyMemory<byte> root) =>
        bundle.Roots.Any(one => one.RawDataMemory.Span.SequenceEqual(root.Span));

    // A fresh one per handshake: the runtime adds the peer's intermediates to it.
    private X509ChainPolicy ChainPolicy(Oid usage, IReadOnlyList<X509Certificate2> roots)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            // A peer must not be able to make us fetch an address of its choice during a handshake.
            DisableCertificateDownloads = true,
        };
        policy.ApplicationPolicy.Add(usage);
        foreach (var root in roots)
        {
            policy.CustomTrustStore.Add(root);
        }

        Intermediates.AddTo(policy.ExtraStore);
        return policy;
    }
}
