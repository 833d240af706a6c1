using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using MeshClient.Core.Identity;

namespace MeshClient.Restart;

/// <summary>How a value of the control plane is kept as bytes.</summary>
internal static class StateCodecs
{
    public static byte[] Write<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(value, type);

    public static T Read<T>(byte[] content, JsonTypeInfo<T> type)
        where T : class => JsonSerializer.Deserialize(content, type) ?? throw new JsonException();

    public static byte[] Write(TrustBundle bundle) => Write(
        new SavedBundle
        {
            TrustDomain = bundle.TrustDomain,
            Roots = [.. bundle.Roots.Select(root => root.RawData)],
            SigningRoot = bundle.SigningRoot?.RawData,
        },
        SavedJson.Default.SavedBundle);

    /// <summary>Reads roots, without those that are not valid at a time: they vouch for nothing any more.</summary>
    /// <returns>The bundle; null when none is left.</returns>
    public static TrustBundle? ReadBundle(byte[] content, DateTimeOffset now)
    {
        var saved = Read(content, SavedJson.Default.SavedBundle);
        var roots = saved.Roots.Select(root => X509CertificateLoader.LoadCertificate(root)).ToLookup(root => IsValid(root, now));
        foreach (var root in roots[false])
        {
            root.Dispose();
        }

        var valid = roots[true].ToList();
        return valid.Count == 0 ? null : new TrustBundle(saved.TrustDomain, valid)
        {
            SigningRoot = saved.SigningRoot is null ? null : valid.Find(root => root.RawDataMemory.Span.SequenceEqual(saved.SigningRoot)),
        };
    }

    /// <exception cref="CryptographicException">Its key cannot be taken out of where it is.</exception>
    public static byte[] Write(LeafCertificate leaf)
    {
        var certificate = leaf.Certificate.Export(X509ContentType.Pkcs12);
        try
        {
            return Write(
                new SavedLeaf { Certificate = certificate, Intermediates = [.. leaf.Intermediates.Select(one => one.RawData)] },
                SavedJson.Default.SavedLeaf);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(certificate);
        }
    }

    /// <summary>Reads a leaf.</summary>
    /// <returns>The leaf; null when it is not valid at that time.</returns>
    public static LeafCertificate? ReadLeaf(byte[] content, DateTimeOffset now)
    {
        var saved = Read(content, SavedJson.Default.SavedLeaf);
        try
        {
            var certificate = X509CertificateLoader.LoadPkcs12(saved.Certificate, password: null);
            if (!IsValid(certificate, now))
            {
                certificate.Dispose();
                return null;
            }

            return new LeafCertificate(certificate, [.. saved.Intermediates.Select(one => X509CertificateLoader.LoadCertificate(one))]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(saved.Certificate);
        }
    }

    /// <summary>The trust domain an entry is in; null for one that is in none.</summary>
    public static string? FindTrustDomain(SavedEntry entry)
    {
        switch (entry.Kind)
        {
            case SavedKind.TrustBundle:
                return Read(entry.Content, SavedJson.Default.SavedBundle).TrustDomain;
            case SavedKind.Leaf:
                var saved = Read(entry.Content, SavedJson.Default.SavedLeaf);
                using (var certificate = X509CertificateLoader.LoadPkcs12(saved.Certificate, password: null))
                {
                    CryptographicOperations.ZeroMemory(saved.Certificate);
                    return SpiffeCertificate.TryReadId(certificate, out var id, out _) ? id.TrustDomain : string.Empty;
                }

            default:
                return null;
        }
    }

    private static bool IsValid(X509Certificate2 certificate, DateTimeOffset now) =>
        certificate.NotBefore.ToUniversalTime() <= now.UtcDateTime && now.UtcDateTime < certificate.NotAfter.ToUniversalTime();
}
