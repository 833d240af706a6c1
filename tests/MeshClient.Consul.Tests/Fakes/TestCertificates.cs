using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Consul.Tests.Fakes;

/// <summary>Certificates for tests, self-signed; leaves in the shape of an X509-SVID.</summary>
internal static class TestCertificates
{
    public static X509Certificate2 Root(string name, AsymmetricAlgorithm key)
    {
        var request = Request(name, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return SelfSign(request);
    }

    public static X509Certificate2 Leaf(AsymmetricAlgorithm key, params string[] uris)
    {
        var request = Request("leaf", key);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        var names = new SubjectAlternativeNameBuilder();
        foreach (var uri in uris)
        {
            names.AddUri(new Uri(uri));
        }

        request.CertificateExtensions.Add(names.Build());
        return SelfSign(request);
    }

    private static CertificateRequest Request(string name, AsymmetricAlgorithm key) => key is ECDsa ecdsa
        ? new CertificateRequest($"CN={name}", ecdsa, HashAlgorithmName.SHA256)
        : new CertificateRequest($"CN={name}", (RSA)key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

    private static X509Certificate2 SelfSign(CertificateRequest request)
    {
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddMinutes(-1), now.AddHours(1));
    }
}
