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

    /// <summary>Makes a self-signed root with a fresh EC key.</summary>
    public static (string RootPem, string PrivateKeyPem) Create(string trustDomain, int bits, DateTimeOffset now)
    {
        using var key = ECDsa.Create(bits switch
        {
            256 => ECCurve.NamedCurves.nistP256,
            384 => ECCurve.NamedCurves.nistP384,
            521 => ECCurve.NamedCurves.nistP521,
            _ => throw RequestRefusedException.Invalid(
                "error configuring provider: EC key length must be one of (256, 384, 521) bits"),
        });
        var name = $"pri-{RandomNumberGenerator.GetString(Lowercase36, 8)}.consul.ca.{trustDomain[..8]}.consul";
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
}
