using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// Issues certificates for host names, for HTTPS of the server itself. They bear no identity of a service, so that one of them
/// is nobody in the mesh, and are good for serving only.
/// </summary>
internal static class ServerCertificateIssuer
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    public static X509Certificate2 Issue(ECDsa key, IEnumerable<string> names, X509Certificate2 issuer, DateTimeOffset now, TimeSpan lifetime)
    {
        var request = new CertificateRequest("CN=MeshClient.Server", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], critical: false));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        request.CertificateExtensions.Add(NamesExtension(names));
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7F) | 0x40);
        var end = now + lifetime;
        var issuerEnd = new DateTimeOffset(issuer.NotAfter.ToUniversalTime());
        return request.Create(issuer.SubjectName, GeneratorOf(issuer), now - CertificateIssuer.Backdating, end < issuerEnd ? end : issuerEnd, serial);
    }

    private static X509Extension NamesExtension(IEnumerable<string> names)
    {
        var builder = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
            {
                builder.AddIpAddress(address);
            }
            else if (Uri.CheckHostName(name) == UriHostNameType.Dns)
            {
                builder.AddDnsName(name);
            }
        }

        return builder.Build();
    }

    private static X509SignatureGenerator GeneratorOf(X509Certificate2 issuer) =>
        issuer.GetECDsaPrivateKey() is { } ec ? X509SignatureGenerator.CreateForECDsa(ec)
        : issuer.GetRSAPrivateKey() is { } rsa ? X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pkcs1)
        : throw new CryptographicException("The issuing certificate has no private key.");
}
