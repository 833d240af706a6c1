using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>Makes and checks roots.</summary>
internal static class RootFactory
{
    /// <summary>Life of the certificate that bridges a rotation (Consul's built-in CA: 7 days).</summary>
    public static readonly TimeSpan CrossSignedLifetime = TimeSpan.FromDays(7);

    private const string Lowercase36 = "0123456789abcdefghijklmnopqrstuvwxyz";

    /// <summary>How long a key of a type is when nothing is said.</summary>
    public static int DefaultBits(string type) => type == CaRoot.RsaType ? 2048 : 256;

    /// <summary>Refuses keys that no root is made with.</summary>
    /// <exception cref="RequestRefusedException">It is of another type or length; the sentence names those there are.</exception>
    private static void CheckKey(string type, int bits)
    {
        var problem = type switch
        {
            CaRoot.EllipticType => bits is 256 or 384 or 521 ? null : "EC key length must be one of (256, 384, 521) bits",
            CaRoot.RsaType => bits is 2048 or 3072 or 4096 ? null : "RSA key length must be one of (2048, 3072, 4096) bits",
            _ => "private key type must be either 'ec' or 'rsa'",
        };
        if (problem is not null)
        {
            throw RequestRefusedException.Invalid($"error configuring provider: {problem}");
        }
    }

    /// <summary>Makes a self-signed root with a fresh key.</summary>
    /// <exception cref="RequestRefusedException">No root is made with such a key.</exception>
    public static (string RootPem, string PrivateKeyPem) Create(string trustDomain, string type, int bits, DateTimeOffset now)
    {
        CheckKey(type, bits);
        var name = $"pri-{RandomNumberGenerator.GetString(Lowercase36, 8)}.consul.ca.{trustDomain[..8]}.consul";
        if (type == CaRoot.RsaType)
        {
            using var rsa = RSA.Create(bits);
            using var signedByRsa = CertificateIssuer.CreateRoot(rsa, name, trustDomain, now);
            return (Pem.Of(signedByRsa), rsa.ExportRSAPrivateKeyPem() + "\n");
        }

        using var key = ECDsa.Create(bits switch
        {
            256 => ECCurve.NamedCurves.nistP256,
            384 => ECCurve.NamedCurves.nistP384,
            _ => ECCurve.NamedCurves.nistP521,
        });
        using var root = CertificateIssuer.CreateRoot(key, name, trustDomain, now);
        return (Pem.Of(root), key.ExportECPrivateKeyPem() + "\n");
    }

    /// <summary>Checks a root that somebody brought along with its key.</summary>
    /// <exception cref="RequestRefusedException">It cannot sign for this mesh; the sentence says why.</exception>
    public static void Check(string rootPem, string privateKeyPem, DateTimeOffset now)
    {
        X509Certificate2 root;
        try
        {
            root = X509Certificate2.CreateFromPem(rootPem, privateKeyPem);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw RequestRefusedException.Invalid(
                "error configuring provider: RootCert and PrivateKey must be a PEM certificate and its own unencrypted PEM key");
        }

        using (root)
        {
            var problem =
                root.Extensions.OfType<X509BasicConstraintsExtension>().SingleOrDefault() is not { CertificateAuthority: true }
                    ? "RootCert is not a CA certificate"
                : root.Extensions.OfType<X509KeyUsageExtension>().SingleOrDefault() is { } usage && !usage.KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign)
                    ? "the key usage of RootCert does not allow signing certificates"
                : root.Extensions.OfType<X509SubjectKeyIdentifierExtension>().SingleOrDefault() is null
                    ? "RootCert has no subject key identifier"
                : CaRoot.KeyBitsOf(root) < DefaultBits(CaRoot.KeyTypeOf(root))
                    ? "the key of RootCert is too short: RSA has at least 2048 bits, EC at least 256"
                : !root.SubjectName.RawData.AsSpan().SequenceEqual(root.IssuerName.RawData)
                    ? "RootCert is not self-signed"
                : root.NotBefore.ToUniversalTime() > now.UtcDateTime || root.NotAfter.ToUniversalTime() <= now.UtcDateTime
                    ? "RootCert is not valid at present"
                : null;
            if (problem is not null)
            {
                throw RequestRefusedException.Invalid($"error configuring provider: {problem}");
            }
        }
    }

    /// <summary>
    /// The certificates that let whoever trusts only the present root, or one before it that still bridges, accept a new one.
    /// </summary>
    public static ImmutableArray<string> Bridge(string newRootPem, CaRoot present, string trustDomain, DateTimeOffset now)
    {
        using var newRoot = X509Certificate2.CreateFromPem(newRootPem);
        using var bridge = CertificateIssuer.CrossSign(newRoot, present.Signer, trustDomain, now, CrossSignedLifetime);
        return [Pem.Of(bridge), .. StillValid(present.IntermediatePems, now)];
    }

    /// <summary>
    /// The bridges of a root that are still of use: from its own on, each leads one root further back, and those after the last
    /// that a root of the list has signed lead nowhere.
    /// </summary>
    /// <param name="roots">The roots there are.</param>
    /// <param name="pems">The bridges.</param>
    public static ImmutableArray<string> BridgesTo(ImmutableArray<CaRoot> roots, ImmutableArray<string> pems)
    {
        var signers = roots.Select(root => KeyIdentifierOf(root.Signer)).ToHashSet(StringComparer.Ordinal);
        var length = pems.Length;
        for (; length > 0; length--)
        {
            using var bridge = X509Certificate2.CreateFromPem(pems[length - 1]);
            if (bridge.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().FirstOrDefault()?.KeyIdentifier is not { } signer
                || signers.Contains(Convert.ToHexString(signer.Span)))
            {
                break;
            }
        }

        return pems[..length];
    }

    /// <summary>Those that have not expired.</summary>
    public static IEnumerable<string> StillValid(ImmutableArray<string> pems, DateTimeOffset now)
    {
        foreach (var pem in pems)
        {
            using var certificate = X509Certificate2.CreateFromPem(pem);
            if (certificate.NotAfter.ToUniversalTime() > now.UtcDateTime)
            {
                yield return pem;
            }
        }
    }

    private static string? KeyIdentifierOf(X509Certificate2 root) =>
        root.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault()?.SubjectKeyIdentifier;
}
