using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Contract;

public abstract partial class ControlPlaneContract
{
    [Fact]
    public async Task TrustBundle_Read_HasRootsAndTrustDomain()
    {
        var bundle = (await Plane.ReadTrustBundleAsync(0, Cancellation)).Value;

        Assert.EndsWith(".consul", bundle.TrustDomain, StringComparison.Ordinal);
        Assert.All(bundle.Roots, root => Assert.Equal(root.Subject, root.Issuer));
        Assert.All(bundle.Roots, root => Assert.False(root.HasPrivateKey));
    }

    [Fact]
    public async Task TrustBundle_WatchedWithoutChange_AnswersTheSameAtTheEnd()
    {
        using var plane = CreatePlane(TimeSpan.FromSeconds(1));
        var first = await plane.ReadTrustBundleAsync(0, Cancellation);
        var begin = TimeProvider.System.GetTimestamp();

        var second = await plane.ReadTrustBundleAsync(first.Index, Cancellation);

        Assert.Equal(first.Index, second.Index);
        Assert.Equal(Thumbprints(first.Value.Roots), Thumbprints(second.Value.Roots));
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Leaf_Read_ProvesTheServiceToTheMesh()
    {
        var service = Name("orders");
        var bundle = (await Plane.ReadTrustBundleAsync(0, Cancellation)).Value;

        var leaf = (await Plane.ReadLeafAsync(service, 0, Cancellation)).Value;

        Assert.Equal(SpiffeId.ForService(bundle.TrustDomain, "dc1", service), leaf.Id);
        Assert.True(Verifies(leaf, bundle.Roots));
        using var key = leaf.Certificate.GetECDsaPrivateKey()!;
        using var publicKey = leaf.Certificate.GetECDsaPublicKey()!;
        byte[] data = [1, 2, 3];
        Assert.True(publicKey.VerifyData(data, key.SignData(data, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
    }

    [Theory]
    [InlineData("P-256")]
    [InlineData("P-384")]
    [InlineData("RSA")]
    public async Task Sign_Request_CertifiesTheKeyThatStaysHereOrIsNotOffered(string kind)
    {
        var service = Name("orders");
        using AsymmetricAlgorithm key = kind switch
        {
            "P-256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
            "P-384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            _ => RSA.Create(2048),
        };
        // What a request asks to be is of no account.
        var request = key is ECDsa ecdsa
            ? new CertificateRequest("CN=someone-else", ecdsa, HashAlgorithmName.SHA256)
            : new CertificateRequest("CN=someone-else", (RSA)key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

        var chain = await Plane.SignAsync(service, request.CreateSigningRequestPem(), Cancellation);

        if (!SignsRequests)
        {
            Assert.Null(chain);
            return;
        }

        var bundle = (await Plane.ReadTrustBundleAsync(0, Cancellation)).Value;
        using var leaf = PemReader.JoinLeaf(chain!, key);
        Assert.Equal(SpiffeId.ForService(bundle.TrustDomain, "dc1", service), leaf.Id);
        Assert.True(Verifies(leaf, bundle.Roots));
        Assert.True(leaf.IsUnder(bundle.SigningRoot!));
    }

    [Fact]
    public async Task TrustBundle_Read_TellsWhichRootSigns()
    {
        var bundle = (await Plane.ReadTrustBundleAsync(0, Cancellation)).Value;
        var leaf = (await Plane.ReadLeafAsync(Name("orders"), 0, Cancellation)).Value;

        Assert.Contains(bundle.SigningRoot, bundle.Roots);
        Assert.True(leaf.IsUnder(bundle.SigningRoot!));
    }

    [Fact]
    public async Task Leaf_TwoServices_HaveTheirOwn()
    {
        var orders = (await Plane.ReadLeafAsync(Name("orders"), 0, Cancellation)).Value;
        var web = (await Plane.ReadLeafAsync(Name("web"), 0, Cancellation)).Value;

        Assert.NotEqual(orders.Id, web.Id);
        Assert.NotEqual(orders.Certificate.GetPublicKeyString(), web.Certificate.GetPublicKeyString());
    }

    [Fact]
    public async Task Leaf_WatchedWithoutChange_IsTheSame()
    {
        using var plane = CreatePlane(TimeSpan.FromSeconds(1));
        var first = await plane.ReadLeafAsync(Name("orders"), 0, Cancellation);

        var second = await plane.ReadLeafAsync(Name("orders"), first.Index, Cancellation);

        Assert.Equal(first.Index, second.Index);
        Assert.Equal(first.Value.Certificate.Thumbprint, second.Value.Certificate.Thumbprint);
    }

    [Fact]
    public async Task Rotation_NewRoot_WakesBothWatchesAndOldRootStillAccepts()
    {
        var service = Name("orders");
        var oldBundle = await Plane.ReadTrustBundleAsync(0, Cancellation);
        var oldLeaf = await Plane.ReadLeafAsync(service, 0, Cancellation);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var newRoot = CreateRoot(key, oldBundle.Value.TrustDomain);

        await PutAsync("v1/connect/ca/configuration", new
        {
            Provider = "consul",
            Config = new
            {
                LeafCertTTL = "72h",
                PrivateKey = key.ExportECPrivateKeyPem() + "\n",
                RootCert = newRoot.ExportCertificatePem() + "\n",
            },
        });

        var bundle = await UntilAsync(
            Plane.ReadTrustBundleAsync, bundle => Thumbprints(bundle.Roots).Contains(newRoot.Thumbprint, StringComparer.Ordinal));
        Assert.Contains(oldBundle.Value.Roots[0].Thumbprint, Thumbprints(bundle.Roots));

        // Consul spreads the renewal of leaves over 30 s.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        var leaf = oldLeaf;
        while (leaf.Value.Certificate.Thumbprint == oldLeaf.Value.Certificate.Thumbprint)
        {
            leaf = await Plane.ReadLeafAsync(service, leaf.Index, limit.Token);
        }

        Assert.Equal(oldLeaf.Value.Id, leaf.Value.Id);
        Assert.True(Verifies(leaf.Value, [newRoot]));
        Assert.True(Verifies(leaf.Value, oldBundle.Value.Roots));
        Assert.True(Verifies(oldLeaf.Value, bundle.Roots));
        Assert.False(Verifies(oldLeaf.Value, [newRoot]));
    }

    private static IEnumerable<string> Thumbprints(IEnumerable<X509Certificate2> certificates) =>
        certificates.Select(certificate => certificate.Thumbprint);

    private static bool Verifies(LeafCertificate leaf, IEnumerable<X509Certificate2> roots)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots.ToArray());
        chain.ChainPolicy.ExtraStore.AddRange(leaf.Intermediates.ToArray());
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2"));
        return chain.Build(leaf.Certificate);
    }

    private static X509Certificate2 CreateRoot(ECDsa key, string trustDomain)
    {
        var request = new CertificateRequest("CN=contract root", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri($"spiffe://{trustDomain}"));
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();

        // A serial below 2^63: Consul lists it as a number.
        using var issued = request.Create(
            request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now.AddMinutes(-1), now.AddYears(1),
            [0x11, .. RandomNumberGenerator.GetBytes(7)]);
        return X509CertificateLoader.LoadCertificate(issued.RawData);
    }
}
