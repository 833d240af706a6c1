using System.Security.Cryptography;
using System.Text.Json;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;

namespace MeshClient.Consul.Tests.Identity;

public sealed class TrustBundleReaderTests
{
    private readonly RecordingLogger _logger = new();

    [Fact]
    public async Task Read_SeveralRoots_TrustsAllOfThemButNotTheIntermediates()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var active = TestCertificates.Root("active", key);
        using var old = TestCertificates.Root("old", key);
        using var crossSigned = TestCertificates.Root("cross", key);

        var bundle = await ReadAsync(new
        {
            TrustDomain = "9F579BE9.consul",
            Roots = new object?[]
            {
                new { RootCert = active.ExportCertificatePem(), Active = true, IntermediateCerts = new[] { crossSigned.ExportCertificatePem() } },
                new { RootCert = old.ExportCertificatePem() + "\n" + crossSigned.ExportCertificatePem(), Active = false },
                null,
            },
        });

        Assert.Equal("9f579be9.consul", bundle.TrustDomain);
        Assert.Equal([active.Thumbprint, old.Thumbprint], bundle.Roots.Select(root => root.Thumbprint));
        Assert.Empty(_logger.Entries);
    }

    [Fact]
    public async Task Read_OneRootIsBroken_IsLeftOutAndReported()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var good = TestCertificates.Root("good", key);

        var bundle = await ReadAsync(new
        {
            TrustDomain = "d.consul",
            Roots = new[] { new { ID = "ab:cd", RootCert = "nonsense" }, new { ID = "01", RootCert = good.ExportCertificatePem() } },
        });

        Assert.Equal(good.Thumbprint, Assert.Single(bundle.Roots).Thumbprint);
        Assert.Contains("ab:cd", Assert.Single(_logger.Entries).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"TrustDomain":"d.consul","Roots":[]}""", ControlPlaneFailure.Unavailable)]
    [InlineData("""{"TrustDomain":"d.consul","Roots":null}""", ControlPlaneFailure.Unavailable)]
    [InlineData("""{"TrustDomain":"","Roots":[{"RootCert":"x"}]}""", ControlPlaneFailure.Unavailable)]
    [InlineData("{}", ControlPlaneFailure.Unavailable)]
    [InlineData("null", ControlPlaneFailure.Unavailable)]
    [InlineData("""{"TrustDomain":"d.consul","Roots":[{"RootCert":"x"}]}""", ControlPlaneFailure.Malformed)]
    [InlineData("""{"TrustDomain":"d.consul","Roots":"x"}""", ControlPlaneFailure.Malformed)]
    [InlineData("<html>", ControlPlaneFailure.Malformed)]
    public async Task Read_NoRoots_IsAFailureAndNeverAnEmptyBundle(string body, ControlPlaneFailure expected)
    {
        await using var registry = await FakeRegistry.StartAsync(body, 5);
        using var plane = registry.CreatePlane();

        var e = await Assert.ThrowsAsync<ControlPlaneException>(
            () => plane.ReadTrustBundleAsync(0, TestContext.Current.CancellationToken));

        Assert.Equal(expected, e.Failure);
    }

    private async Task<TrustBundle> ReadAsync(object document)
    {
        await using var registry = await FakeRegistry.StartAsync(JsonSerializer.Serialize(document), 5);
        using var plane = registry.CreatePlane(logger: _logger);
        return (await plane.ReadTrustBundleAsync(0, TestContext.Current.CancellationToken)).Value;
    }
}
