using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Benchmarks.Sidecars;

/// <summary>The certificates of a pair of sidecars, of the same kind as the mesh's: P-256, signed by one root.</summary>
internal sealed class SidecarCertificates
{
    private readonly string _root;
    private readonly string _client;
    private readonly string _server;

    public SidecarCertificates()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=sidecar root", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.DigitalSignature, true));
        var now = TimeProvider.System.GetUtcNow();
        using var root = request.CreateSelfSigned(now.AddMinutes(-1), now.AddDays(1));
        _root = root.ExportCertificatePem();
        _client = Issue(root, "web", now);
        _server = Issue(root, "orders", now);
    }

    public void WriteTo(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "roots.pem"), _root + "\n");
        File.WriteAllText(Path.Combine(folder, "client.pem"), _client);
        File.WriteAllText(Path.Combine(folder, "server.pem"), _server);
    }

    private static string Issue(X509Certificate2 root, string name, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using var leaf = request.Create(root, now.AddMinutes(-1), now.AddHours(20), RandomNumberGenerator.GetBytes(8));
        return leaf.ExportCertificatePem() + "\n" + key.ExportECPrivateKeyPem() + "\n";
    }
}
