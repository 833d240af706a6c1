using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;

namespace MeshClient.Identity;

/// <summary>
/// Judges a peer's certificate by the chain the runtime has built of it, in a new handshake and in a resumed session alike:
/// the runtime builds the chain in both, of the certificate the session was made with. No second chain is built here.
/// </summary>
internal static class PeerVerifier
{
    /// <summary>Reads the peer's identity, if its certificate is good in every respect but the host name, which means nothing here.</summary>
    /// <param name="certificate">The peer's leaf.</param>
    /// <param name="chain">Its chain, built with a policy of <paramref name="identity"/>.</param>
    /// <param name="errors">What the runtime found.</param>
    /// <param name="identity">Whom this process believes.</param>
    /// <param name="allowance">How far the clocks of those who issue and those who check may differ.</param>
    /// <param name="now">The present moment.</param>
    /// <param name="refusal">Why it was refused; null when it was not.</param>
    /// <returns>The peer, or null when it is refused.</returns>
    public static VerifiedPeer? Verify(
        X509Certificate? certificate,
        X509Chain? chain,
        SslPolicyErrors errors,
        IdentitySnapshot identity,
        TimeSpan allowance,
        DateTimeOffset now,
        out PeerRefusal? refusal)
    {
        if (certificate is not X509Certificate2 leaf || chain is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            refusal = new PeerRefusal("no-certificate", "it showed no certificate");
            return null;
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) && !IsOnlyAMatterOfClocks(chain, allowance, now))
        {
            refusal = new PeerRefusal("untrusted", Describe(leaf, chain, now));
            return null;
        }

        if (!SpiffeCertificate.TryReadId(leaf, out var id, out var problem))
        {
            refusal = new PeerRefusal("identity", problem);
            return null;
        }

        if (identity.FindBundle(id.TrustDomain) is not { } bundle)
        {
            refusal = new PeerRefusal("trust-domain", $"it belongs to trust domain {id.TrustDomain}, not to {identity.Bundle.TrustDomain}");
            return null;
        }

        // The chain may end in any root of the policy; one trust domain's root must not vouch for members of another.
        if (chain.ChainElements.Count == 0 || FindRoot(bundle, chain.ChainElements[^1].Certificate) is not { } root)
        {
            refusal = new PeerRefusal("untrusted", $"its certificate is not issued under the roots of its trust domain {id.TrustDomain}");
            return null;
        }

        identity.Intermediates.Remember(chain, now);
        refusal = null;
        return new VerifiedPeer(id, CertificateSpan.Of(leaf), root);
    }

    // Each certificate has its own statuses, and the chain has them all: when nothing is wrong but times, and these by no more
    // than the allowance, then signatures, constraints, usages and the root have been found good.
    private static bool IsOnlyAMatterOfClocks(X509Chain chain, TimeSpan allowance, DateTimeOffset now) =>
        chain.ChainElements.Count > 0
        && chain.ChainStatus.Length > 0
        && chain.ChainStatus.All(static status => status.Status is X509ChainStatusFlags.NotTimeValid)
        && chain.ChainElements.All(element =>
            element.ChainElementStatus.All(static status => status.Status is X509ChainStatusFlags.NotTimeValid)
            && CertificateSpan.Of(element.Certificate).Holds(now, allowance));

    private static ReadOnlyMemory<byte>? FindRoot(TrustBundle bundle, X509Certificate2 end)
    {
        foreach (var root in bundle.Roots)
        {
            if (root.RawDataMemory.Span.SequenceEqual(end.RawDataMemory.Span))
            {
                return root.RawDataMemory;
            }
        }

        return null;
    }

    private static string Describe(X509Certificate2 leaf, X509Chain chain, DateTimeOffset now)
    {
        var span = CertificateSpan.Of(leaf);
        return now > span.Until ? $"its certificate has ended at {span.Until:O}"
            : now < span.From ? $"its certificate begins at {span.From:O} only"
            : chain.ChainStatus.Any(static status => status.Status is X509ChainStatusFlags.NotValidForUsage)
                ? "its certificate, or one above it, is not for this use"
                : "its certificate is not issued under the mesh's roots, or one above it is not valid now";
    }
}
