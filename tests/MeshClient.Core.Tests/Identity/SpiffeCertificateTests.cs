using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.Core.Tests.Identity;

public sealed class SpiffeCertificateTests : IDisposable
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private readonly TestCertificateAuthority _authority = new("td.test");

    public void Dispose() => _authority.Dispose();

    // Null: nothing is wrong with the names and usages; the flaw is the chain's, or the comparison's, to find.
    public static TheoryData<LeafFlaw, string?> Flaws => new()
    {
        { LeafFlaw.Expired, null },
        { LeafFlaw.NotYetValid, null },
        { LeafFlaw.NoName, "it has no subject alternative name" },
        { LeafFlaw.HostNameOnly, "it has no URI name" },
        { LeafFlaw.TwoUriNames, "it has more than one URI name" },
        { LeafFlaw.WebAddress, "its URI name is not a SPIFFE id" },
        { LeafFlaw.TrustDomainOnly, "its SPIFFE id names a trust domain, not a workload" },
        { LeafFlaw.OtherTrustDomain, null },
        { LeafFlaw.OtherService, null },
        { LeafFlaw.OtherDatacenter, null },
        { LeafFlaw.DotSegments, "its URI name is not a SPIFFE id" },
        { LeafFlaw.EncodedSlash, "its URI name is not a SPIFFE id" },
        { LeafFlaw.TrailingSlash, "its URI name is not a SPIFFE id" },
        { LeafFlaw.Authority, "it is a CA certificate" },
        { LeafFlaw.ClientOnly, null },
        { LeafFlaw.ServerOnly, null },
        { LeafFlaw.NoDigitalSignature, "its key usage does not allow digital signatures" },
        { LeafFlaw.NoKeyUsage, "it has no key usage" },
        { LeafFlaw.SignsCertificates, "its key usage allows signing certificates or revocation lists" },
        { LeafFlaw.SameNamedStranger, null },
        { LeafFlaw.SelfSigned, null },
        { LeafFlaw.MissingIntermediate, null },
    };

    [Theory]
    [MemberData(nameof(Flaws))]
    public void TryReadId_EachFlaw_NamesTheProblem(LeafFlaw flaw, string? expected)
    {
        using var issued = _authority.IssueFlawed(Orders, flaw);

        var read = SpiffeCertificate.TryReadId(issued.Certificate, out var id, out var problem);

        Assert.Equal(expected, problem);
        Assert.Equal(expected is null, read);
        Assert.Equal(expected is null, id is not null);
        if (expected is not null)
        {
            Assert.Contains(expected, Assert.Throws<ArgumentException>(issued.ToLeaf).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TryReadId_EveryFlaw_IsInTheTable() =>
        Assert.Equal(Enum.GetValues<LeafFlaw>(), Flaws.Select(row => row.Data.Item1));

    [Fact]
    public void TryReadId_GoodLeafWithHostNamesToo_ReadsTheId()
    {
        using var issued = _authority.Issue(LeafBlueprint.For(_authority.IdOf(Orders)) with { HostNames = ["a.test", "b.test"] });

        Assert.True(SpiffeCertificate.TryReadId(issued.Certificate, out var id, out var problem));
        Assert.Equal(_authority.IdOf(Orders), id);
        Assert.Null(problem);
    }

    [Theory]
    [InlineData("spiffe://td.test/ns/default/dc/dc1/svc/orders\0.evil")]
    [InlineData("spiffe://td.test/ns/default/dc/dc1/svc/örders")]
    [InlineData("spiffe://td.test:443/ns/default/dc/dc1/svc/orders")]
    [InlineData("spiffe://td.test/ns/default/dc/dc1/svc/orders?x=1")]
    [InlineData("")]
    public void TryReadId_OtherTextAsUri_IsRefused(string uri)
    {
        using var issued = _authority.Issue(new LeafBlueprint { Uris = [uri] });

        Assert.False(SpiffeCertificate.TryReadId(issued.Certificate, out _, out _));
    }

    // The issuer signs whatever it is given: extensions that break off, or hold something else than they should.
    [Theory]
    [InlineData("2.5.29.15")]
    [InlineData("2.5.29.17")]
    [InlineData("2.5.29.19")]
    public void TryReadId_ExtensionThatCannotBeRead_IsAProblemAndNoException(string oid)
    {
        foreach (var content in (byte[][])[[], [0x30], [0x30, 0x80], [0x04, 0x01, 0x00], [0xFF, 0xFF, 0xFF], [0x30, 0x03, 0x86, 0x7F, 0x61]])
        {
            using var certificate = SelfSigned(new X509Extension(oid, content, critical: true));

            Assert.False(SpiffeCertificate.TryReadId(certificate, out var id, out var problem));
            Assert.Null(id);
            Assert.NotEmpty(problem);
        }
    }

    [Fact]
    public void TryReadId_BytesAfterTheNames_IsRefused()
    {
        using var issued = _authority.Issue(LeafBlueprint.For(_authority.IdOf(Orders)));
        var names = issued.Certificate.Extensions["2.5.29.17"]!.RawData;
        using var certificate = SelfSigned(new X509Extension("2.5.29.17", [.. names, 0x05, 0x00], critical: false));

        Assert.False(SpiffeCertificate.TryReadId(certificate, out _, out var problem));
        Assert.Equal("its subject alternative name cannot be read", problem);
    }

    [Fact]
    public void TryReadId_UriAsConstructedString_IsRefused()
    {
        var writer = new AsnWriter(AsnEncodingRules.BER);
        using (writer.PushSequence())
        using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 6, isConstructed: true)))
        {
            writer.WriteCharacterString(UniversalTagNumber.IA5String, "spiffe://td.test/a");
        }

        using var certificate = SelfSigned(new X509Extension("2.5.29.17", writer.Encode(), critical: false));

        Assert.False(SpiffeCertificate.TryReadId(certificate, out _, out _));
    }

    [Theory]
    [InlineData(false, null, "its key usage is not critical, so that some may pass over it")]
    [InlineData(true, "2.5.29.15", "it has an extension twice")]
    [InlineData(true, "2.5.29.17", "it has an extension twice")]
    [InlineData(true, "2.5.29.19", "it has an extension twice")]
    [InlineData(true, "2.5.29.37", "it has an extension twice")]
    public void TryReadId_UsageNotCriticalOrExtensionTwice_IsRefused(bool isCritical, string? twice, string expected)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri("spiffe://td.test/a"));
        X509Extension[] extensions =
        [
            new X509BasicConstraintsExtension(false, false, 0, critical: true),
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: isCritical),
            new X509EnhancedKeyUsageExtension([new Oid(LeafBlueprint.ClientAuthentication)], critical: false),
            names.Build(),
        ];
        foreach (var extension in extensions)
        {
            request.CertificateExtensions.Add(extension);
        }

        var now = TimeProvider.System.GetUtcNow();
        using var once = request.Create(request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now, now.AddHours(1), [1]);
        using var certificate = X509CertificateLoader.LoadCertificate(WithExtensionTwice(once.RawData, twice));

        Assert.False(SpiffeCertificate.TryReadId(certificate, out _, out var problem));
        Assert.Equal(expected, problem);
    }

    // Written anew, for no builder does this. The signature is wrong then, which is the chain's to find.
    private static byte[] WithExtensionTwice(byte[] certificate, string? oid)
    {
        var extensionsTag = new Asn1Tag(TagClass.ContextSpecific, 3, isConstructed: true);
        var outer = new AsnReader(certificate, AsnEncodingRules.DER).ReadSequence();
        var body = outer.ReadSequence();
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                while (body.HasData)
                {
                    if (body.PeekTag() != extensionsTag)
                    {
                        writer.WriteEncodedValue(body.ReadEncodedValue().Span);
                        continue;
                    }

                    var extensions = body.ReadSequence(extensionsTag).ReadSequence();
                    using (writer.PushSequence(extensionsTag))
                    using (writer.PushSequence())
                    {
                        while (extensions.HasData)
                        {
                            var extension = extensions.ReadEncodedValue();
                            writer.WriteEncodedValue(extension.Span);
                            if (new AsnReader(extension, AsnEncodingRules.DER).ReadSequence().ReadObjectIdentifier() == oid)
                            {
                                writer.WriteEncodedValue(extension.Span);
                            }
                        }
                    }
                }
            }

            while (outer.HasData)
            {
                writer.WriteEncodedValue(outer.ReadEncodedValue().Span);
            }
        }

        return writer.Encode();
    }

    // Good but for the given extension, which comes in place of the good one.
    private static X509Certificate2 SelfSigned(X509Extension extension)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri("spiffe://td.test/a"));
        X509Extension[] good =
        [
            new X509BasicConstraintsExtension(false, false, 0, critical: true),
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true),
            names.Build(),
        ];
        foreach (var part in good)
        {
            request.CertificateExtensions.Add(part.Oid!.Value == extension.Oid!.Value ? extension : part);
        }

        var now = TimeProvider.System.GetUtcNow();
        // Without the key: giving a certificate its key makes the platform read its key usage, and throw for a broken one.
        return request.Create(request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now, now.AddHours(1), [1]);
    }
}
