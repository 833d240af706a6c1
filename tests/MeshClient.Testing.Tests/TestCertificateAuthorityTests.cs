using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Testing.Tests;

public sealed class TestCertificateAuthorityTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2027, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private readonly FakeTimeProvider _clock = new(Now);
    private readonly TestCertificateAuthority _authority;

    public TestCertificateAuthorityTests() => _authority = new TestCertificateAuthority(clock: _clock);

    public void Dispose() => _authority.Dispose();

    [Fact]
    public void IssueLeaf_Defaults_IsGoodInEveryWay()
    {
        var leaf = _authority.IssueLeaf(Orders);

        Assert.Equal($"spiffe://{TestCertificateAuthority.DefaultTrustDomain}/ns/default/dc/dc1/svc/orders", leaf.Id.ToString());
        Assert.Equal(_authority.IdOf(Orders), leaf.Id);
        Assert.Equal(Now - TimeSpan.FromMinutes(1), leaf.NotBefore);
        Assert.Equal(TestCertificateAuthority.DefaultLeafLifetime, leaf.NotAfter - leaf.NotBefore);
        Assert.Empty(leaf.Intermediates);
        Assert.True(KeyFits(leaf.Certificate));
        Assert.True(IsTrusted(leaf, _authority.Bundle));
    }

    [Fact]
    public void IssueLeaf_OtherDatacenterLifetimeAndMoment_FollowsThem()
    {
        var moment = Now + TimeSpan.FromDays(5);

        var leaf = _authority.IssueLeaf(Orders, "west", TimeSpan.FromHours(1), moment);

        Assert.Equal(_authority.IdOf(Orders, "west"), leaf.Id);
        Assert.Equal(moment - TimeSpan.FromMinutes(1), leaf.NotBefore);
        Assert.Equal(TimeSpan.FromHours(1), leaf.NotAfter - leaf.NotBefore);
    }

    [Fact]
    public void IssueLeaf_Twice_NeverSharesKeyOrSerialNumber()
    {
        var first = _authority.IssueLeaf(Orders).Certificate;
        var second = _authority.IssueLeaf(Orders).Certificate;

        Assert.NotEqual(first.SerialNumber, second.SerialNumber);
        Assert.NotEqual(first.GetPublicKey(), second.GetPublicKey());
    }

    [Fact]
    public void Constructor_TrustDomain_IsFoldedOrRefused()
    {
        using var authority = new TestCertificateAuthority("Some.Where");
        Assert.Equal("some.where", authority.TrustDomain);
        Assert.Equal("some.where", authority.Bundle.TrustDomain);
        Assert.Throws<FormatException>(() => new TestCertificateAuthority("a/b"));
        Assert.Throws<FormatException>(() => new TestCertificateAuthority("a:8500"));
    }

    [Fact]
    public void Bundle_HandedOut_HoldsNoKeys() => Assert.All(_authority.Bundle.Roots, root => Assert.False(root.HasPrivateKey));

    [Fact]
    public void Issue_BlueprintDefaults_MatchesTheIssuersOwnLeaf()
    {
        using var issued = _authority.Issue(LeafBlueprint.For(_authority.IdOf(Orders)));

        Assert.Equal(_authority.IdOf(Orders), issued.ToLeaf().Id);
        Assert.True(KeyFits(issued.Certificate));
        Assert.True(IsTrusted(issued, _authority.Bundle));
        var real = _authority.IssueLeaf(Orders).Certificate;
        foreach (var oid in (string[])["2.5.29.15", "2.5.29.37", "2.5.29.19", "2.5.29.17", "2.5.29.35"])
        {
            Assert.Equal(real.Extensions[oid]!.RawData, issued.Certificate.Extensions[oid]!.RawData);
            Assert.Equal(real.Extensions[oid]!.Critical, issued.Certificate.Extensions[oid]!.Critical);
        }
    }

    [Fact]
    public void Issue_Intermediate_IsTrustedOnlyWithIt()
    {
        var blueprint = LeafBlueprint.For(_authority.IdOf(Orders)) with { Signer = LeafSigner.Intermediate };
        using var issued = _authority.Issue(blueprint);

        Assert.Single(issued.Intermediates);
        Assert.True(IsTrusted(issued, _authority.Bundle));
        Assert.False(IsTrusted(issued.Certificate, [], _authority.Bundle));
    }

    [Fact]
    public void Issue_NoKeyUsageAndOwnName_LeavesOutAndTakesOver()
    {
        using var issued = _authority.Issue(LeafBlueprint.For(_authority.IdOf(Orders)) with
        {
            KeyUsage = null,
            ExtendedKeyUsages = [],
            CommonName = "somebody",
            HostNames = ["a.test", "b.test"],
        });

        Assert.Null(issued.Certificate.Extensions["2.5.29.15"]);
        Assert.Null(issued.Certificate.Extensions["2.5.29.37"]);
        Assert.Equal("CN=somebody", issued.Certificate.Subject);
        var names = issued.Certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single();
        Assert.Equal(["a.test", "b.test"], names.EnumerateDnsNames());
    }

    public static TheoryData<LeafFlaw> Flaws => [.. Enum.GetValues<LeafFlaw>()];

    // Which flaws the chain shows to a server and to a client, and which the names and usages show; the rest show when the
    // id is compared with the one expected.
    [Theory]
    [MemberData(nameof(Flaws))]
    public void IssueFlawed_EachFlaw_ShowsWhereItShould(LeafFlaw flaw)
    {
        using var issued = _authority.IssueFlawed(Orders, flaw);

        var asClient = IsTrusted(issued, _authority.Bundle, LeafBlueprint.ClientAuthentication);
        var asServer = IsTrusted(issued, _authority.Bundle, LeafBlueprint.ServerAuthentication);
        var hasId = SpiffeCertificate.TryReadId(issued.Certificate, out var id, out _);

        LeafFlaw[] chainBroken =
        [
            LeafFlaw.Expired, LeafFlaw.NotYetValid, LeafFlaw.SameNamedStranger, LeafFlaw.SelfSigned, LeafFlaw.MissingIntermediate,
        ];
        LeafFlaw[] namesBroken =
        [
            LeafFlaw.NoName, LeafFlaw.HostNameOnly, LeafFlaw.TwoUriNames, LeafFlaw.WebAddress, LeafFlaw.TrustDomainOnly,
            LeafFlaw.DotSegments, LeafFlaw.EncodedSlash, LeafFlaw.TrailingSlash, LeafFlaw.Authority, LeafFlaw.NoDigitalSignature,
            LeafFlaw.NoKeyUsage, LeafFlaw.SignsCertificates,
        ];
        Assert.Equal(!chainBroken.Contains(flaw) && flaw != LeafFlaw.ServerOnly, asClient);
        Assert.Equal(!chainBroken.Contains(flaw) && flaw != LeafFlaw.ClientOnly, asServer);
        Assert.Equal(!namesBroken.Contains(flaw), hasId);
        var wrongId = flaw is LeafFlaw.OtherDatacenter or LeafFlaw.OtherService or LeafFlaw.OtherTrustDomain;
        Assert.Equal(hasId && !wrongId, id == _authority.IdOf(Orders));
        Assert.True(KeyFits(issued.Certificate));
    }

    [Fact]
    public void IssueFlawed_DotSegments_ReallyHoldsThem()
    {
        using var issued = _authority.IssueFlawed(Orders, LeafFlaw.DotSegments);

        var raw = issued.Certificate.Extensions["2.5.29.17"]!.RawData;
        Assert.Contains("/../", System.Text.Encoding.ASCII.GetString(raw), StringComparison.Ordinal);
    }

    [Fact]
    public void Rotate_OldAndNewBundle_BothTrustBothLeaves()
    {
        var before = _authority.Bundle;
        var oldLeaf = _authority.IssueLeaf(Orders);

        _authority.Rotate();

        var newLeaf = _authority.IssueLeaf(Orders);
        using var forged = _authority.Issue(LeafBlueprint.For(_authority.IdOf(Orders)));
        Assert.Equal(2, _authority.Bundle.Roots.Count);
        Assert.NotEqual(before.Roots[0].Thumbprint, _authority.Bundle.Roots[0].Thumbprint);
        Assert.Equal(before.Roots[0].Thumbprint, _authority.Bundle.Roots[1].Thumbprint);
        Assert.True(IsTrusted(oldLeaf, before));
        Assert.True(IsTrusted(oldLeaf, _authority.Bundle));
        Assert.True(IsTrusted(newLeaf, before));
        Assert.True(IsTrusted(newLeaf, _authority.Bundle));
        Assert.True(IsTrusted(forged, before));
        Assert.False(IsTrusted(newLeaf.Certificate, [], before));
    }

    [Fact]
    public void Rotate_WithoutCrossSigning_OldBundleRefusesNewLeaves()
    {
        var before = _authority.Bundle;

        _authority.Rotate(crossSign: false);

        var leaf = _authority.IssueLeaf(Orders);
        Assert.Empty(leaf.Intermediates);
        Assert.False(IsTrusted(leaf, before));
        Assert.True(IsTrusted(leaf, _authority.Bundle));
    }

    [Fact]
    public void RetireOldRoots_AfterRotation_RefusesOldLeaves()
    {
        var oldLeaf = _authority.IssueLeaf(Orders);
        _authority.Rotate();

        _authority.RetireOldRoots();

        Assert.Single(_authority.Bundle.Roots);
        Assert.False(IsTrusted(oldLeaf, _authority.Bundle));
        Assert.True(IsTrusted(_authority.IssueLeaf(Orders), _authority.Bundle));
        Assert.Empty(_authority.IssueLeaf(Orders).Intermediates);
    }

    [Fact]
    public void IssueLeaf_TwoAuthoritiesOfOneTrustDomain_DoNotTrustEachOther()
    {
        using var other = new TestCertificateAuthority(clock: _clock);

        Assert.False(IsTrusted(other.IssueLeaf(Orders), _authority.Bundle));
    }

    private static bool KeyFits(X509Certificate2 certificate)
    {
        using var privateKey = certificate.GetECDsaPrivateKey()!;
        using var publicKey = certificate.GetECDsaPublicKey()!;
        var signature = privateKey.SignData("x"u8, HashAlgorithmName.SHA256);
        return publicKey.VerifyData("x"u8, signature, HashAlgorithmName.SHA256);
    }

    private bool IsTrusted(LeafCertificate leaf, TrustBundle bundle) => IsTrusted(leaf.Certificate, leaf.Intermediates, bundle);

    private bool IsTrusted(IssuedCertificate issued, TrustBundle bundle, string? usage = null) =>
        IsTrusted(issued.Certificate, issued.Intermediates, bundle, usage);

    private bool IsTrusted(
        X509Certificate2 certificate, IEnumerable<X509Certificate2> intermediates, TrustBundle bundle, string? usage = null)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = _clock.GetUtcNow().UtcDateTime;
        chain.ChainPolicy.CustomTrustStore.AddRange(bundle.Roots.ToArray());
        chain.ChainPolicy.ExtraStore.AddRange(intermediates.ToArray());
        if (usage is not null)
        {
            chain.ChainPolicy.ApplicationPolicy.Add(new Oid(usage));
        }

        return chain.Build(certificate);
    }
}
