using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Core.Identity;

/// <summary>The roots that an <c>https</c> server is known by, when they are not the machine's.</summary>
internal static class TrustedRoots
{
    /// <summary>What is wrong with a file of roots, as the end of a sentence; null when it is usable.</summary>
    public static string? FindProblem(string path)
    {
        try
        {
            return Read(path).Count > 0 ? null : $"'{path}' holds no certificate";
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return $"'{path}' cannot be read: {e.Message}";
        }
    }

    /// <summary>A policy that trusts these roots and no others. Nothing is looked up elsewhere during a handshake.</summary>
    public static X509ChainPolicy CreatePolicy(string path) => CreatePolicy(Read(path));

    /// <inheritdoc cref="CreatePolicy(string)"/>
    public static X509ChainPolicy CreatePolicy(X509Certificate2Collection roots)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(roots);
        return policy;
    }

    private static X509Certificate2Collection Read(string path)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(path);
        return roots;
    }
}
