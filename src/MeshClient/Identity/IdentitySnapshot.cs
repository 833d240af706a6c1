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
    public IdentitySnapshot(LeafCertificate leaf, SslStreamCertificateContext context, TrustBundle bundle)
    {
        Leaf = leaf;
        Context = context;
        Bundle = bundle;
    }

    public LeafCertificate Leaf { get; }

    public TrustBundle Bundle { get; }

    /// <summary>The leaf with the intermediates that are sent after it.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>
    /// Makes the context of a leaf, once: without one every handshake resolves the chain again and may go to the network for it.
    /// </summary>
    public static SslStreamCertificateContext ContextOf(LeafCertificate leaf) =>
        SslStreamCertificateContext.Create(leaf.Certificate, [.. leaf.Intermediates], offline: true, trust: null);

    /// <summary>How a server's certificate is judged: mesh roots only.</summary>
    public X509ChainPolicy ServerChainPolicy() => ChainPolicy(ServerAuthentication);

    /// <summary>How a client's certificate is judged: mesh roots only.</summary>
    public X509ChainPolicy ClientChainPolicy() => ChainPolicy(ClientAuthentication);

    // A fresh one per handshake: the runtime adds the peer's intermediates to it.
    private X509ChainPolicy ChainPolicy(Oid usage)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            // A peer must not be able to make us fetch an address of its choice during a handshake.
            DisableCertificateDownloads = true,
        };
        policy.ApplicationPolicy.Add(usage);
        foreach (var root in Bundle.Roots)
        {
            policy.CustomTrustStore.Add(root);
        }

        return policy;
    }
}

/// <summary>Judges a peer's certificate once the runtime has built its chain.</summary>
internal static class PeerVerifier
{
    /// <summary>Reads the peer's identity, if its certificate is good in every respect but the host name, which means nothing here.</summary>
    /// <param name="certificate">The peer's leaf.</param>
    /// <param name="errors">What the runtime found, with a chain policy of <see cref="IdentitySnapshot"/>.</param>
    /// <param name="trustDomain">The trust domain the peer has to belong to.</param>
    /// <param name="problem">Why it was refused, as part of a sentence.</param>
    /// <returns>The peer's identity, or null when it is refused.</returns>
    public static SpiffeId? Verify(
        X509Certificate? certificate, SslPolicyErrors errors, string trustDomain, out string? problem)
    {
        if (certificate is not X509Certificate2 leaf || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            problem = "it showed no certificate";
            return null;
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
        {
            problem = "its certificate is not valid now, not for this use, or not issued under the mesh's roots";
            return null;
        }

        if (!SpiffeCertificate.TryReadId(leaf, out var id, out problem))
        {
            return null;
        }

        if (!string.Equals(id.TrustDomain, trustDomain, StringComparison.OrdinalIgnoreCase))
        {
            problem = $"it belongs to trust domain {id.TrustDomain}, not to {trustDomain}";
            return null;
        }

        problem = null;
        return id;
    }
}
