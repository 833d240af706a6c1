using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Identity;

public sealed class LeafReaderTests
{
    private const string Id = "spiffe://9f579be9.consul/ns/default/dc/dc1/svc/orders";
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> KeyForms => ["sec1", "pkcs8", "pkcs1"];

    [Theory]
    [MemberData(nameof(KeyForms))]
    public async Task Read_KeyInAnyForm_IsUsable(string form)
    {
        using AsymmetricAlgorithm key = form == "pkcs1" ? RSA.Create(2048) : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var leaf = TestCertificates.Leaf(key, Id);
        var keyPem = key switch
        {
            RSA rsa => rsa.ExportRSAPrivateKeyPem(),
            ECDsa ecdsa when form == "sec1" => ecdsa.ExportECPrivateKeyPem(),
            _ => key.ExportPkcs8PrivateKeyPem(),
        };

        var read = await ReadAsync(leaf.ExportCertificatePem(), keyPem);

        Assert.Equal(Id, read.Value.Id.ToString());
        Assert.True(read.Value.Certificate.HasPrivateKey);
        Assert.Equal(leaf.Thumbprint, read.Value.Certificate.Thumbprint);
        Assert.Empty(read.Value.Intermediates);
    }

    [Fact]
    public async Task Read_ChainInTheAnswer_KeepsItsOrder()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var leaf = TestCertificates.Leaf(key, Id);
        using var one = TestCertificates.Root("one", key);
        using var two = TestCertificates.Root("two", key);

        var read = await ReadAsync(
            $"{leaf.ExportCertificatePem()}\n{one.ExportCertificatePem()}\n{two.ExportCertificatePem()}\n", key.ExportECPrivateKeyPem());

        Assert.Equal([one.Thumbprint, two.Thumbprint], read.Value.Intermediates.Select(certificate => certificate.Thumbprint));
    }

    [Theory]
    [InlineData("other service")]
    [InlineData("two ids")]
    [InlineData("no id")]
    [InlineData("other key")]
    [InlineData("no key")]
    [InlineData("no certificate")]
    [InlineData("empty certificate")]
    [InlineData("garbage certificate")]
    [InlineData("garbage key")]
    [InlineData("number for a key")]
    public async Task Read_UnusableLeaf_IsMalformedAndShowsNoKey(string fault)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var otherKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string[] ids = fault switch
        {
            "other service" => [Id + "-not"],
            "two ids" => [Id, Id],
            "no id" => [],
            _ => [Id],
        };
        using var leaf = TestCertificates.Leaf(key, ids);
        var secret = (fault == "other key" ? otherKey : key).ExportECPrivateKeyPem();
        object? keyPem = fault switch
        {
            "no key" => null,
            "garbage key" => secret[..^80],
            "number for a key" => 7,
            _ => secret,
        };
        var certificate = fault switch
        {
            "no certificate" => null,
            "empty certificate" => "",
            "garbage certificate" => "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            _ => leaf.ExportCertificatePem(),
        };

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => ReadAsync(certificate, keyPem));

        Assert.Equal(ControlPlaneFailure.Malformed, e.Failure);
        Assert.DoesNotContain(secret.Split('\n')[1][..20], e.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"CertPEM\":\"x\"")]
    [InlineData("<html>")]
    public async Task Read_NoLeafInTheAnswer_IsMalformed(string body)
    {
        await using var registry = await FakeRegistry.StartAsync(body, 5);
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(() => plane.ReadLeafAsync(Orders, 0, Cancellation));

        Assert.Equal(ControlPlaneFailure.Malformed, e.Failure);
    }

    private static async Task<Watched<Core.Identity.LeafCertificate>> ReadAsync(object? certificate, object? key)
    {
        var body = JsonSerializer.Serialize(new { SerialNumber = "0b", CertPEM = certificate, PrivateKeyPEM = key, Nested = new { A = new[] { 1 } } });
        await using var registry = await FakeRegistry.StartAsync(body, 5);
        using var plane = registry.CreatePlane();
        return await plane.ReadLeafAsync(Orders, 0, Cancellation);
    }
}
