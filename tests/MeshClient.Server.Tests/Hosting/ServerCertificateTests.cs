using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Server.Hosting;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Hosting;

public sealed class ServerCertificateTests
{
    [Fact]
    public void Current_SameFile_IsMadeOnce()
    {
        using var folder = new TemporaryFolder();
        var options = new MeshServerOptions();
        (options.Https.CertificatePath, options.Https.PrivateKeyPath) = (Path.Combine(folder.Path, "server.pem"), Path.Combine(folder.Path, "server.key"));
        var first = Write(options.Https, "CN=first", age: 2);
        using var certificate = new ServerCertificate(options, null!, TimeProvider.System);
        var context = certificate.Current();
        Assert.Equal(first, context.TargetCertificate.Thumbprint);
        Assert.Same(context, certificate.Current());

        var second = Write(options.Https, "CN=second", age: 1);
        SslStreamCertificateContext renewed = certificate.Current();
        Assert.Equal(second, renewed.TargetCertificate.Thumbprint);
        Assert.Same(renewed, certificate.Current());
    }

    private static string Write(MeshServerHttpsOptions https, string subject, int age)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = new CertificateRequest(subject, key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        File.WriteAllText(https.CertificatePath!, certificate.ExportCertificatePem());
        File.WriteAllText(https.PrivateKeyPath!, key.ExportPkcs8PrivateKeyPem());
        File.SetLastWriteTimeUtc(https.CertificatePath!, now.UtcDateTime.AddHours(-age));
        return certificate.Thumbprint;
    }
}
