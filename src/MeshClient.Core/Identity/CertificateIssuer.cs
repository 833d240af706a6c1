using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Identity;

/// <summary>
/// Makes the certificates of a mesh in the shape Consul gives them: roots of ten years and short-lived leaves with one
/// SPIFFE URI. Pure: the moment and the keys are handed in.
/// </summary>
internal static class CertificateIssuer
{
    /// <summary>Life of a root, as Consul's built-in CA makes it.</summary>
    public static readonly TimeSpan RootLifetime = TimeSpan.FromDays(3650);

    /// <summary>How far a certificate's beginning lies before its making, so that slow clocks accept it (Consul: 1 minute).</summary>
    public static readonly TimeSpan Backdating = TimeSpan.FromMinutes(1);

    private const string SubjectAlternativeName = "2.5.29.17";
    private static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientAuthentication = new("1.3.6.1.5.5.7.3.2");

    /// <summary>Makes a self-signed root. The result holds the key.</summary>
    public static X509Certificate2 CreateRoot(ECDsa key, string commonName, string trustDomain, DateTimeOffset now)
    {
        using var certificate = CreateRoot(X509SignatureGenerator.CreateForECDsa(key), commonName, trustDomain, now);
        return certificate.CopyWithPrivateKey(key);
    }

    /// <inheritdoc cref="CreateRoot(ECDsa, string, string, DateTimeOffset)"/>
    public static X509Certificate2 CreateRoot(RSA key, string commonName, string trustDomain, DateTimeOffset now)
    {
        using var certificate = CreateRoot(X509SignatureGenerator.CreateForRSA(key, RSASignaturePadding.Pkcs1), commonName, trustDomain, now);
        return certificate.CopyWithPrivateKey(key);
    }

    /// <summary>
    /// Signs a new root with the old one, so that whoever trusts only the old root accepts leaves of the new one during a
    /// rotation.
    /// </summary>
    public static X509Certificate2 CrossSign(
        X509Certificate2 newRoot, X509Certificate2 oldRoot, string trustDomain, DateTimeOffset now, TimeSpan lifetime)
    {
        // With the identifier the new root itself has: its leaves name their issuer by it, and a root that was brought along
        // may have made it in another way than ours.
        var identifier = newRoot.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault();
        var request = CaRequest(newRoot.SubjectName, newRoot.PublicKey, trustDomain, identifier);
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(oldRoot, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var end = now + lifetime;
        var oldEnd = new DateTimeOffset(oldRoot.NotAfter.ToUniversalTime());
        return Sign(request, oldRoot, now - Backdating, end < oldEnd ? end : oldEnd, SerialNumber());
    }

    /// <summary>Issues a leaf for a public key. The result holds no private key.</summary>
    public static X509Certificate2 IssueLeaf(
        PublicKey key, SpiffeId id, string commonName, X509Certificate2 issuer, DateTimeOffset now, TimeSpan lifetime)
    {
        var request = new CertificateRequest(new X500DistinguishedName($"CN={commonName}"), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment
            | X509KeyUsageFlags.DataEncipherment | X509KeyUsageFlags.KeyAgreement,
            critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([ClientAuthentication, ServerAuthentication], critical: false));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(
            SHA256.HashData(key.ExportSubjectPublicKeyInfo()), critical: false));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        request.CertificateExtensions.Add(UriName(id.ToString()));
        var begin = now - Backdating;
        var end = begin + lifetime;
        var issuerEnd = new DateTimeOffset(issuer.NotAfter.ToUniversalTime());
        return Sign(request, issuer, begin, end < issuerEnd ? end : issuerEnd, SerialNumber());
    }

    /// <summary>The common name Consul gives a leaf; not unique, never an identity.</summary>
    public static string LeafCommonName(ServiceName service, string trustDomain)
    {
        var label = string.Concat(service.Value.ToLowerInvariant().Where(char.IsAsciiLetterOrDigit));
        var name = $"{label}.svc.default.{trustDomain[..Math.Min(8, trustDomain.Length)]}.consul";
        return name[..Math.Min(64, name.Length)];
    }

    private static X509Certificate2 CreateRoot(X509SignatureGenerator generator, string commonName, string trustDomain, DateTimeOffset now)
    {
        var request = CaRequest(new X500DistinguishedName($"CN={commonName}"), generator.PublicKey, trustDomain);
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(
            SHA256.HashData(generator.PublicKey.ExportSubjectPublicKeyInfo())));
        var begin = now - Backdating;
        return request.Create(request.SubjectName, generator, begin, begin + RootLifetime, SerialNumber());
    }

    private static CertificateRequest CaRequest(
        X500DistinguishedName subject, PublicKey key, string trustDomain, X509SubjectKeyIdentifierExtension? identifier = null)
    {
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        request.CertificateExtensions.Add(identifier ?? new X509SubjectKeyIdentifierExtension(
            SHA256.HashData(key.ExportSubjectPublicKeyInfo()), critical: false));
        request.CertificateExtensions.Add(UriName($"spiffe://{trustDomain}"));
        return request;
    }

    private static X509Certificate2 Sign(
        CertificateRequest request, X509Certificate2 issuer, DateTimeOffset begin, DateTimeOffset end, byte[] serial)
    {
        using var ecdsa = issuer.GetECDsaPrivateKey();
        if (ecdsa is not null)
        {
            return request.Create(issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(ecdsa), begin, end, serial);
        }

        using var rsa = issuer.GetRSAPrivateKey()
            ?? throw new CryptographicException("The issuing certificate has no private key.");
        return request.Create(
            issuer.SubjectName, X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pkcs1), begin, end, serial);
    }

    // Written byte by byte: the platform's builder goes through System.Uri, which puts a slash after a bare trust domain, so
    // that it is no SPIFFE id any more, and refuses some trust domains that the standard allows.
    private static X509Extension UriName(string uri)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteCharacterString(UniversalTagNumber.IA5String, uri, UriTag);
        }

        return new X509Extension(SubjectAlternativeName, writer.Encode(), critical: false);
    }

    // 127 random bits: positive, unguessable, and never a second time (RFC 5280, section 4.1.2.2, allows 20 octets).
    private static byte[] SerialNumber()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7F;
        serial[0] |= 0x40;
        return serial;
    }
}
