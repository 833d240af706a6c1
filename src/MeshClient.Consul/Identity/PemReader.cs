using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Consul.Identity;

/// <summary>Makes certificates out of the PEM texts of the control plane.</summary>
internal static class PemReader
{
    private const string EllipticCurveOid = "1.2.840.10045.2.1";

    /// <summary>Reads all certificates of a text, in order.</summary>
    /// <exception cref="CryptographicException">A block is no certificate.</exception>
    public static IReadOnlyList<X509Certificate2> ReadCertificates(ReadOnlySpan<char> pem)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(pem);
        }
        catch
        {
            Dispose(certificates);
            throw;
        }

        return [.. certificates];
    }

    /// <summary>Joins a certificate and its private key (SEC1, PKCS#1 or PKCS#8). Disposes the one without a key.</summary>
    /// <exception cref="CryptographicException">The text is no key, or not this certificate's.</exception>
    /// <exception cref="ArgumentException">The same.</exception>
    public static X509Certificate2 Join(X509Certificate2 certificate, ReadOnlySpan<char> keyPem)
    {
        using (certificate)
        {
            var joined = JoinKey(certificate, keyPem);
            if (!OperatingSystem.IsWindows())
            {
                return joined;
            }

            // TLS on Windows cannot use a key that exists in memory only; one that came out of a PFX has a store behind it.
            using (joined)
            {
                var pfx = joined.Export(X509ContentType.Pfx);
                try
                {
                    return X509CertificateLoader.LoadPkcs12(pfx, null);
                }
                finally
                {
                    CryptographicOperations.ZeroMemory(pfx);
                }
            }
        }
    }

    public static void Dispose(IEnumerable<X509Certificate2> certificates)
    {
        foreach (var certificate in certificates)
        {
            certificate.Dispose();
        }
    }

    private static X509Certificate2 JoinKey(X509Certificate2 certificate, ReadOnlySpan<char> keyPem)
    {
        if (certificate.GetKeyAlgorithm() == EllipticCurveOid)
        {
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportFromPem(keyPem);
            return certificate.CopyWithPrivateKey(ecdsa);
        }

        using var rsa = RSA.Create();
        rsa.ImportFromPem(keyPem);
        return certificate.CopyWithPrivateKey(rsa);
    }
}
