using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Tool.Registry;

/// <summary>
/// A root made here, as Consul makes its own: EC P-256, self-signed, a CA without a path length, and the trust domain as its
/// URI. Its key is sent to the registry and kept nowhere else.
/// </summary>
/// <param name="CertificatePem">The certificate.</param>
/// <param name="PrivateKeyPem">Its key.</param>
internal sealed record NewRoot(string CertificatePem, string PrivateKeyPem)
{
    /// <summary>How far back a root begins, for members whose clocks are a little behind.</summary>
    private static readonly TimeSpan Backdated = TimeSpan.FromMinutes(1);

    /// <exception cref="ToolException">The trust domain is none.</exception>
    public static NewRoot Create(string trustDomain, DateTimeOffset now, int years)
    {
        if (!Uri.TryCreate($"spiffe://{trustDomain}", UriKind.Absolute, out var identity) || trustDomain.Length == 0)
        {
            throw new ToolException(ExitCodes.Failed, "The registry names no trust domain: is Connect switched on?");
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var serial = RandomNumberGenerator.GetBytes(8);
        var request = new CertificateRequest(
            $"CN=pri-{Convert.ToHexStringLower(serial)[..8]}.consul.ca.{trustDomain.Split('.')[0].Split('-')[0]}.consul", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(identity);
        var keyIdentifier = new X509SubjectKeyIdentifierExtension(request.PublicKey, X509SubjectKeyIdentifierHashAlgorithm.Sha256, false);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(keyIdentifier);
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(keyIdentifier));
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(now - Backdated, now.AddYears(years));
        return new NewRoot(certificate.ExportCertificatePem() + "\n", key.ExportECPrivateKeyPem() + "\n");
    }
}
