using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.FunctionalTests.Rotation;

/// <summary>
/// Has the registry sign a new certificate every second, over keys of its own of two types in turn. Remembers the certificates
/// without holding on to them.
/// </summary>
internal sealed class SigningLeafSource(HttpClient registry, TimeSpan interval) : ILeafCertificateSource
{
    // Making one takes longer than all else here; a few do.
    private static readonly RSA[] RsaKeys = [RSA.Create(2048), RSA.Create(2048)];
    private readonly Lock _lock = new();
    private readonly List<WeakReference> _issued = [];
    private string _issuer = string.Empty;

    /// <summary>How many have been issued.</summary>
    public int Issued
    {
        get
        {
            lock (_lock)
            {
                return _issued.Count;
            }
        }
    }

    /// <summary>How many of them are still held by somebody.</summary>
    public int Alive
    {
        get
        {
            lock (_lock)
            {
                return _issued.Count(one => one.IsAlive);
            }
        }
    }

    /// <summary>Who signed the newest.</summary>
    public string Issuer
    {
        get
        {
            lock (_lock)
            {
                return _issuer;
            }
        }
    }

    public async Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        if (index > 0)
        {
            await Task.Delay(interval, TimeProvider.System, cancellationToken);
        }

        var leaf = index % 2 == 0
            ? await SignAsync(service, null, cancellationToken)
            : await SignAsync(service, RsaKeys[index / 2 % (ulong)RsaKeys.Length], cancellationToken);
        lock (_lock)
        {
            _issued.Add(new WeakReference(leaf.Certificate));
            _issuer = leaf.Certificate.Issuer;
        }

        return new Watched<LeafCertificate>(leaf, index + 1);
    }

    private async Task<LeafCertificate> SignAsync(ServiceName service, RSA? rsa, CancellationToken cancellationToken)
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedName($"CN={service}");
        var request = rsa is null
            ? new CertificateRequest(name, ecdsa, HashAlgorithmName.SHA256)
            : new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var body = new StringContent(request.CreateSigningRequestPem());
        using var response = await registry.PostAsync($"/v1/agent/connect/ca/sign/{service}", body, cancellationToken);
        response.EnsureSuccessStatusCode();
        var signed = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!;
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem((string)signed["CertPEM"]!);
        using var leaf = chain[0];
        return new LeafCertificate(rsa is null ? leaf.CopyWithPrivateKey(ecdsa) : leaf.CopyWithPrivateKey(rsa), chain.Skip(1));
    }
}
