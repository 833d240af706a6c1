using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace MeshClient.Testing;

/// <summary>
/// Signs what a <see cref="LeafBlueprint"/> says, however wrong. Names are written byte by byte, because the platform's
/// builder puts a URI in order first (it resolves <c>..</c>, for one) and would take out just what a test wants in.
/// </summary>
internal static class LeafForge
{
    private const string SubjectAlternativeName = "2.5.29.17";
    private static readonly Asn1Tag HostNameTag = new(TagClass.ContextSpecific, 2);
    private static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);

    /// <summary>Makes the certificate, with its key.</summary>
    public static X509Certificate2 Make(LeafBlueprint blueprint, X509Certificate2? issuer, ECDsa? issuerKey, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(
            new X500DistinguishedName($"CN={blueprint.CommonName}"), new PublicKey(key), HashAlgorithmName.SHA256);
        AddExtensions(request.CertificateExtensions, blueprint);
        var keyIdentifier = new X509SubjectKeyIdentifierExtension(
            SHA256.HashData(key.ExportSubjectPublicKeyInfo()), critical: false);
        request.CertificateExtensions.Add(keyIdentifier);
        request.CertificateExtensions.Add(issuer is null
            ? X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(keyIdentifier)
            : X509AuthorityKeyIdentifierExtension.CreateFromCertificate(
                issuer, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = 0x51;
        using var certificate = request.Create(
            issuer?.SubjectName ?? request.SubjectName,
            X509SignatureGenerator.CreateForECDsa(issuerKey ?? key),
            now + blueprint.ValidFrom,
            now + blueprint.ValidUntil,
            serial);
        return certificate.CopyWithPrivateKey(key);
    }

    private static void AddExtensions(System.Collections.ObjectModel.Collection<X509Extension> extensions, LeafBlueprint blueprint)
    {
        extensions.Add(new X509BasicConstraintsExtension(blueprint.IsAuthority, false, 0, critical: true));
        if (blueprint.KeyUsage is { } usage)
        {
            extensions.Add(new X509KeyUsageExtension(usage, critical: true));
        }

        if (blueprint.ExtendedKeyUsages.Count > 0)
        {
            var usages = new OidCollection();
            foreach (var oid in blueprint.ExtendedKeyUsages)
            {
                usages.Add(new Oid(oid));
            }

            extensions.Add(new X509EnhancedKeyUsageExtension(usages, critical: false));
        }

        if (blueprint.Uris.Count + blueprint.HostNames.Count > 0)
        {
            extensions.Add(Names(blueprint));
        }
    }

    // An octet string under the name's own tag has the same encoding as the IA5String the standard asks for, and takes any
    // bytes.
    private static X509Extension Names(LeafBlueprint blueprint)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            foreach (var host in blueprint.HostNames)
            {
                writer.WriteOctetString(Encoding.UTF8.GetBytes(host), HostNameTag);
            }

            foreach (var uri in blueprint.Uris)
            {
                writer.WriteOctetString(Encoding.UTF8.GetBytes(uri), UriTag);
            }
        }

        return new X509Extension(SubjectAlternativeName, writer.Encode(), critical: false);
    }
}
