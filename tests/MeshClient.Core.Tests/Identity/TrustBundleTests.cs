using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.Core.Tests.Identity;

public sealed class TrustBundleTests : IDisposable
{
    private readonly TestCertificateAuthority _authority = new();

    public void Dispose() => _authority.Dispose();

    [Fact]
    public void Constructor_TrustDomain_IsFoldedAsInIds()
    {
        var bundle = new TrustBundle("ABC.consul", _authority.Bundle.Roots);

        Assert.Equal(SpiffeId.Parse("spiffe://ABC.consul/a").TrustDomain, bundle.TrustDomain);
        Assert.Equal(_authority.Bundle.Roots, bundle.Roots);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("a/")]
    [InlineData("a:1")]
    [InlineData("spiffe://a")]
    public void Constructor_NoTrustDomain_Throws(string trustDomain) =>
        Assert.Throws<ArgumentException>(() => new TrustBundle(trustDomain, _authority.Bundle.Roots));

    [Fact]
    public void Constructor_NoRoots_Throws() => Assert.Throws<ArgumentException>(() => new TrustBundle("a", []));

    [Fact]
    public void LeafCertificate_WithoutKey_Throws()
    {
        using var issued = _authority.Issue(LeafBlueprint.For(_authority.IdOf(ServiceName.Parse("orders"))));
        using var withoutKey = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(issued.Certificate.RawData);

        Assert.Contains("private key", Assert.Throws<ArgumentException>(() => new LeafCertificate(withoutKey, [])).Message, StringComparison.Ordinal);
    }
}
