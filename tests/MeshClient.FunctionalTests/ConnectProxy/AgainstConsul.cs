using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using MeshClient.TestSupport;

namespace MeshClient.FunctionalTests.ConnectProxy;

/// <summary>The proxy on the control plane it was made for.</summary>
public sealed class AgainstConsul(RealConsul consul) : ProxyContract, IClassFixture<RealConsul>
{
    /// <inheritdoc/>
    protected override Uri Address => consul.Address;

    private protected override async Task RotateAsync()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=root-{Guid.NewGuid():N}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var now = TimeProvider.System.GetUtcNow();
        using var root = request.CreateSelfSigned(now.AddMinutes(-1), now.AddYears(10));
        var configuration = new JsonObject
        {
            ["Provider"] = "consul",
            ["Config"] = new JsonObject
            {
                ["LeafCertTTL"] = "72h",
                ["PrivateKey"] = key.ExportECPrivateKeyPem(),
                ["RootCert"] = root.ExportCertificatePem(),
            },
        };
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, configuration.ToJsonString(), MeshHosts.Cancellation);
            await Cli.SucceedAsync("connect", "ca", "set-config", $"-config-file={file}");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
