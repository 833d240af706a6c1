using System.Security.Cryptography.X509Certificates;
using System.Text;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.FunctionalTests.Grpc;

/// <summary>
/// A peer's certificate, key and roots as files, which only this user can read, for as long as the test runs: the programs of
/// other languages take them no other way.
/// </summary>
internal sealed class PeerFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("meshclient-peer-");

    /// <param name="authority">Who issues and is trusted.</param>
    /// <param name="service">The service the peer is.</param>
    public PeerFolder(TestCertificateAuthority authority, string service)
    {
        var leaf = authority.IssueLeaf(ServiceName.Parse(service));
        using var certificate = leaf.Certificate;
        using var key = certificate.GetECDsaPrivateKey()!;
        Id = leaf.Id;
        Write("ca.pem", string.Join('\n', authority.Bundle.Roots.Select(root => root.ExportCertificatePem())));
        Write("cert.pem", string.Join('\n', leaf.Intermediates.Prepend(certificate).Select(one => one.ExportCertificatePem())));
        Write("key.pem", key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>Where the files are.</summary>
    public string Path => _folder.FullName;

    /// <summary>Whom the certificate proves.</summary>
    public SpiffeId Id { get; }

    public void Dispose() => _folder.Delete(recursive: true);

    private void Write(string name, string text)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var writer = new StreamWriter(System.IO.Path.Combine(Path, name), Encoding.ASCII, options);
        writer.Write(text);
        writer.Write('\n');
    }
}
