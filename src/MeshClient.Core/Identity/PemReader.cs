using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Core.Identity;

/// <summary>Makes certificates out of PEM texts.</summary>
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

    /// <summary>
    /// Makes a workload's certificate of a chain, leaf first, and the leaf's private key (SEC1, PKCS#1 or PKCS#8). Takes the
    /// chain over, whatever comes of it.
    /// </summary>
    /// <exception cref="CryptographicException">The text is no key, or not this certificate's.</exception>
    /// <exception cref="ArgumentException">The same, or the leaf is not usable.</exception>
    /// <exception cref="FormatException">There is no certificate.</exception>
    public static LeafCertificate JoinLeaf(IReadOnlyList<X509Certificate2> chain, ReadOnlySpan<char> keyPem)
    {
        try
        {
            using var key = ReadKey(First(chain), keyPem);
            return JoinLeaf(chain, key);
        }
        catch
        {
            Dispose(chain);
            throw;
        }
    }

    /// <summary>Makes a workload's certificate of a chain, leaf first, and the leaf's private key. Takes the chain over, whatever comes of it.</summary>
    /// <exception cref="CryptographicException">The key is not this certificate's.</exception>
    /// <exception cref="ArgumentException">The same, or the leaf is not usable.</exception>
    /// <exception cref="FormatException">There is no certificate.</exception>
    public static LeafCertificate JoinLeaf(IReadOnlyList<X509Certificate2> chain, AsymmetricAlgorithm key)
    {
        X509Certificate2? joined = null;
        try
        {
            joined = Join(First(chain), key);
            var leaf = new LeafCertificate(joined, chain.Skip(1));
            chain[0].Dispose();
            return leaf;
        }
        catch
        {
            joined?.Dispose();
            Dispose(chain);
            throw;
        }
    }

    public static void Dispose(IEnumerable<X509Certificate2> certificates)
    {
        foreach (var certificate in certificates)
        {
            certificate.Dispose();
        }
    }

    private static X509Certificate2 First(IReadOnlyList<X509Certificate2> chain) =>
        chain.Count > 0 ? chain[0] : throw new FormatException("There is no certificate in it.");

    private static X509Certificate2 Join(X509Certificate2 certificate, AsymmetricAlgorithm key)
    {
        var joined = key switch
        {
            ECDsa ecdsa => certificate.CopyWithPrivateKey(ecdsa),
            RSA rsa => certificate.CopyWithPrivateKey(rsa),
            _ => throw new ArgumentException("The key is neither EC nor RSA.", nameof(key)),
        };
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

    private static AsymmetricAlgorithm ReadKey(X509Certificate2 certificate, ReadOnlySpan<char> keyPem)
    {
        AsymmetricAlgorithm key = certificate.GetKeyAlgorithm() == EllipticCurveOid ? ECDsa.Create() : RSA.Create();
        try
        {
            key.ImportFromPem(keyPem);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }
}
