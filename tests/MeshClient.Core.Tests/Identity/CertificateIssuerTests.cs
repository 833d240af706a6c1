using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Identity;

public sealed class CertificateIssuerTests : IDisposable
{
    private const string TrustDomain = "9f579be9-7d6b-11ef-8b3d-0242ac120002.consul";
    private const string KeyUsage = "2.5.29.15";
    private const string ExtendedKeyUsage = "2.5.29.37";
    private const string BasicConstraints = "2.5.29.19";
    private const string SubjectKeyIdentifier = "2.5.29.14";
    private const string AuthorityKeyIdentifier = "2.5.29.35";
    private const string AlternativeName = "2.5.29.17";
    private static readonly DateTimeOffset Now = new(2027, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private static readonly SpiffeId Id = SpiffeId.ForService(TrustDomain, "dc1", Orders);
    private readonly ECDsa _rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _leafKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _root;

    public CertificateIssuerTests() =>
        _root = CertificateIssuer.CreateRoot(_rootKey, "pri-18e972y.consul.ca.9f579be9.consul", TrustDomain, Now);

    public void Dispose()
    {
        _root.Dispose();
        _rootKey.Dispose();
        _leafKey.Dispose();
    }

    [Fact]
    public void CreateRoot_Fields_AreConsuls()
    {
        Assert.Equal("CN=pri-18e972y.consul.ca.9f579be9.consul", _root.Subject);
        Assert.Equal(_root.SubjectName.RawData, _root.IssuerName.RawData);
        Assert.Equal(Now.AddMinutes(-1), Begin(_root));
        Assert.Equal(TimeSpan.FromDays(3650), End(_root) - Begin(_root));
        Assert.True(_root.HasPrivateKey);
        Assert.Equal(3, _root.Version);
        Assert.Equal("1.2.840.10045.4.3.2", _root.SignatureAlgorithm.Value);
        AssertExtension(_root, KeyUsage, critical: true, "03020186");
        AssertExtension(_root, BasicConstraints, critical: true, "30030101FF");
        AssertExtension(_root, SubjectKeyIdentifier, critical: false, "0420" + KeyHash(_rootKey));
        AssertExtension(_root, AuthorityKeyIdentifier, critical: false, "30228020" + KeyHash(_rootKey));
        AssertUri(_root, $"spiffe://{TrustDomain}");
        Assert.Equal(5, _root.Extensions.Count);
    }

    [Fact]
    public void IssueLeaf_Fields_AreConsuls()
    {
        using var leaf = Leaf(_root);

        Assert.Equal("CN=orders.svc.default.9f579be9.consul", leaf.Subject);
        Assert.Equal(_root.SubjectName.RawData, leaf.IssuerName.RawData);
        Assert.Equal(Now.AddMinutes(-1), Begin(leaf));
        Assert.Equal(TimeSpan.FromHours(72), End(leaf) - Begin(leaf));
        Assert.False(leaf.HasPrivateKey);
        Assert.Equal(3, leaf.Version);
        Assert.Equal("1.2.840.10045.4.3.2", leaf.SignatureAlgorithm.Value);
        AssertExtension(leaf, KeyUsage, critical: true, "030203B8");
        AssertExtension(leaf, ExtendedKeyUsage, critical: false, "301406082B0601050507030206082B06010505070301");
        AssertExtension(leaf, BasicConstraints, critical: true, "3000");
        AssertExtension(leaf, SubjectKeyIdentifier, critical: false, "0420" + KeyHash(_leafKey));
        AssertExtension(leaf, AuthorityKeyIdentifier, critical: false, "30228020" + KeyHash(_rootKey));
        AssertUri(leaf, Id.ToString());
        Assert.Equal(6, leaf.Extensions.Count);
        using var publicKey = leaf.GetECDsaPublicKey()!;
        Assert.Equal(_leafKey.ExportSubjectPublicKeyInfo(), publicKey.ExportSubjectPublicKeyInfo());
        Assert.True(SpiffeCertificate.TryReadId(leaf, out var id, out _));
        Assert.Equal(Id, id);
    }

    [Theory]
    [InlineData("a..b")]
    [InlineData(".a")]
    [InlineData("1.2.3")]
    [InlineData("under_score")]
    public void CreateRootAndLeaf_TrustDomainThatIsNoHostName_IsWrittenAsItIs(string trustDomain)
    {
        using var root = CertificateIssuer.CreateRoot(_rootKey, "x", trustDomain, Now);
        var id = SpiffeId.ForService(trustDomain, "dc1", Orders);
        using var leaf = CertificateIssuer.IssueLeaf(new PublicKey(_leafKey), id, "x", root, Now, TimeSpan.FromHours(1));

        AssertUri(root, $"spiffe://{trustDomain}");
        Assert.True(SpiffeCertificate.TryReadId(leaf, out var read, out _));
        Assert.Equal(id, read);
    }

    [Fact]
    public void IssueLeaf_SerialNumbers_ArePositiveLongAndDifferent()
    {
        var seen = new HashSet<string>();
        for (var i = 0; i < 50; i++)
        {
            using var leaf = Leaf(_root);
            var serial = leaf.SerialNumberBytes.ToArray();
            Assert.Equal(16, serial.Length);
            Assert.InRange(serial[0], 0x40, 0x7F);
            Assert.True(seen.Add(leaf.SerialNumber));
        }
    }

    [Fact]
    public void IssueLeaf_LongerThanItsIssuer_EndsWithIt()
    {
        using var leaf = CertificateIssuer.IssueLeaf(new PublicKey(_leafKey), Id, "x", _root, Now, TimeSpan.FromDays(5000));

        Assert.Equal(End(_root), End(leaf));
    }

    [Fact]
    public void IssueLeaf_IssuerWithoutKey_Throws()
    {
        using var withoutKey = X509CertificateLoader.LoadCertificate(_root.RawData);

        Assert.Throws<CryptographicException>(() => Leaf(withoutKey));
    }

    [Fact]
    public void IssueLeaf_RsaIssuer_IsTrusted()
    {
        using var rsa = RSA.Create(2048);
        var request = new CertificateRequest("CN=rsa", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using var root = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(10));

        using var leaf = Leaf(root);

        Assert.Equal("1.2.840.113549.1.1.11", leaf.SignatureAlgorithm.Value);
        Assert.True(IsTrusted(leaf, [], root));
    }

    [Fact]
    public void IssueLeaf_UnderItsRoot_IsTrustedWithinItsTimeOnly()
    {
        using var leaf = Leaf(_root);
        using var otherKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = CertificateIssuer.CreateRoot(otherKey, "pri-18e972y.consul.ca.9f579be9.consul", TrustDomain, Now);

        Assert.True(IsTrusted(leaf, [], _root));
        Assert.False(IsTrusted(leaf, [], other));
        Assert.False(IsTrusted(leaf, [], _root, Now.AddHours(72)));
        Assert.False(IsTrusted(leaf, [], _root, Now.AddMinutes(-2)));
    }

    [Fact]
    public void CrossSign_NewRootUnderOldOne_LeadsFromNewLeavesToTheOldRoot()
    {
        using var newKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var newRoot = CertificateIssuer.CreateRoot(newKey, "new", TrustDomain, Now);
        using var crossSigned = CertificateIssuer.CrossSign(newRoot, _root, TrustDomain, Now, TimeSpan.FromDays(7));
        using var leaf = Leaf(newRoot);

        Assert.True(IsTrusted(leaf, [crossSigned], _root));
        Assert.True(IsTrusted(leaf, [crossSigned], newRoot));
        Assert.True(IsTrusted(leaf, [], newRoot));
        Assert.False(IsTrusted(leaf, [], _root));

        Assert.Equal(newRoot.SubjectName.RawData, crossSigned.SubjectName.RawData);
        Assert.Equal(_root.SubjectName.RawData, crossSigned.IssuerName.RawData);
        Assert.Equal(newRoot.GetPublicKey(), crossSigned.GetPublicKey());
        Assert.Equal(Now.AddMinutes(-1), Begin(crossSigned));
        Assert.Equal(Now.AddDays(7), End(crossSigned));
        Assert.False(crossSigned.HasPrivateKey);
        AssertExtension(crossSigned, KeyUsage, critical: true, "03020186");
        AssertExtension(crossSigned, BasicConstraints, critical: true, "30030101FF");
        AssertExtension(crossSigned, SubjectKeyIdentifier, critical: false, "0420" + KeyHash(newKey));
        AssertExtension(crossSigned, AuthorityKeyIdentifier, critical: false, "30228020" + KeyHash(_rootKey));
        AssertUri(crossSigned, $"spiffe://{TrustDomain}");
    }

    [Fact]
    public void CrossSign_LongerThanTheOldRoot_EndsWithIt()
    {
        using var newKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var newRoot = CertificateIssuer.CreateRoot(newKey, "new", TrustDomain, Now);

        using var crossSigned = CertificateIssuer.CrossSign(newRoot, _root, TrustDomain, Now, TimeSpan.FromDays(5000));

        Assert.Equal(End(_root), End(crossSigned));
    }

    [Theory]
    [InlineData("orders", "orders.svc.default.9f579be9.consul")]
    [InlineData("Bad-Name_1.x", "badname1x.svc.default.9f579be9.consul")]
    public void LeafCommonName_Service_IsConsuls(string service, string expected) =>
        Assert.Equal(expected, CertificateIssuer.LeafCommonName(ServiceName.Parse(service), TrustDomain));

    [Fact]
    public void LeafCommonName_LongServiceOrShortTrustDomain_Fits()
    {
        Assert.Equal(64, CertificateIssuer.LeafCommonName(ServiceName.Parse(new string('a', 128)), TrustDomain).Length);
        Assert.Equal("a.svc.default.td.consul", CertificateIssuer.LeafCommonName(ServiceName.Parse("a"), "td"));
    }

    private static DateTimeOffset Begin(X509Certificate2 certificate) => new(certificate.NotBefore.ToUniversalTime());

    private static DateTimeOffset End(X509Certificate2 certificate) => new(certificate.NotAfter.ToUniversalTime());

    private static string KeyHash(ECDsa key) => Convert.ToHexString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));

    private static void AssertExtension(X509Certificate2 certificate, string oid, bool critical, string content)
    {
        var extension = certificate.Extensions[oid];
        Assert.NotNull(extension);
        Assert.Equal(critical, extension.Critical);
        Assert.Equal(content, Convert.ToHexString(extension.RawData));
    }

    // A sequence of one URI: both lengths are below 128 here.
    private static void AssertUri(X509Certificate2 certificate, string uri)
    {
        var name = Encoding.ASCII.GetBytes(uri);
        AssertExtension(
            certificate,
            AlternativeName,
            critical: false,
            Convert.ToHexString([0x30, (byte)(name.Length + 2), 0x86, (byte)name.Length, .. name]));
    }

    private static bool IsTrusted(
        X509Certificate2 leaf, X509Certificate2[] intermediates, X509Certificate2 root, DateTimeOffset? at = null)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = (at ?? Now).UtcDateTime;
        chain.ChainPolicy.CustomTrustStore.Add(root);
        chain.ChainPolicy.ExtraStore.AddRange(intermediates);
        return chain.Build(leaf);
    }

    private X509Certificate2 Leaf(X509Certificate2 issuer) => CertificateIssuer.IssueLeaf(
        new PublicKey(_leafKey),
        Id,
        CertificateIssuer.LeafCommonName(Orders, TrustDomain),
        issuer,
        Now,
        TimeSpan.FromHours(72));
}
