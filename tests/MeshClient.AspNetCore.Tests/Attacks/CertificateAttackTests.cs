using System.Security.Authentication;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>
/// Callers whose certificate is none of the mesh's, or not one for this. In TLS 1.3 a client takes its handshake for done before
/// the server has looked; there too nothing but an alert may come back.
/// </summary>
public sealed class CertificateAttackTests
{
    // How a flaw that TLS itself may notice first is counted.
    private static readonly Dictionary<LeafFlaw, string> Reasons = new()
    {
        [LeafFlaw.Expired] = "untrusted",
        [LeafFlaw.NotYetValid] = "untrusted",
        [LeafFlaw.NoName] = "identity",
        [LeafFlaw.HostNameOnly] = "identity",
        [LeafFlaw.TwoUriNames] = "identity",
        [LeafFlaw.WebAddress] = "identity",
        [LeafFlaw.TrustDomainOnly] = "identity",
        [LeafFlaw.OtherTrustDomain] = "trust-domain",
        [LeafFlaw.DotSegments] = "identity",
        [LeafFlaw.EncodedSlash] = "identity",
        [LeafFlaw.TrailingSlash] = "identity",
        [LeafFlaw.Authority] = "identity",
        [LeafFlaw.ServerOnly] = "untrusted",
        [LeafFlaw.NoKeyUsage] = "identity",
        [LeafFlaw.SignsCertificates] = "identity",
        [LeafFlaw.SameNamedStranger] = "untrusted",
        [LeafFlaw.SelfSigned] = "untrusted",
        [LeafFlaw.MissingIntermediate] = "untrusted",
    };

    // Good for a caller; only a server must not be like this.
    private static readonly LeafFlaw[] NoFlawsHere = [LeafFlaw.ClientOnly, LeafFlaw.OtherDatacenter, LeafFlaw.OtherService];

    public static MatrixTheoryData<LeafFlaw, SslProtocols> Flaws => new(
        Enum.GetValues<LeafFlaw>().Except(NoFlawsHere).ToArray(), [SslProtocols.Tls12, SslProtocols.Tls13]);

    [Theory]
    [MemberData(nameof(Flaws))]
    public async Task Connect_WithFlawedCertificate_IsRefused(LeafFlaw flaw, SslProtocols version)
    {
        await using var service = await AttackedService.StartAsync();
        using var flawed = service.Authority.IssueFlawed(InboundTestHost.Web, flaw);

        Assert.Null(await service.TryCallAsync(MeshCaller.ContextOf(flawed), version));

        // Without digital signature the platform's own client may not even begin, and if it does TLS ends before we look.
        if (Reasons.TryGetValue(flaw, out var reason))
        {
            await service.AssertHandshakesRefusedAsync(reason);
        }
        else
        {
            Assert.Equal(LeafFlaw.NoDigitalSignature, flaw);
            service.AssertNoRequest();
            await service.AssertNothingHeldAsync();
        }

        await service.AssertCallIsServedAsync();
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task Connect_WithCertificateOfAnotherAuthority_IsRefused(SslProtocols version)
    {
        await using var service = await AttackedService.StartAsync();
        using var stranger = new TestCertificateAuthority();

        Assert.Null(await service.TryCallAsync(MeshCaller.ContextOf(stranger.IssueLeaf(InboundTestHost.Web)), version));

        await service.AssertHandshakesRefusedAsync("untrusted");
        await service.AssertCallIsServedAsync();
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task Connect_WithoutCertificate_IsRefused(SslProtocols version)
    {
        await using var service = await AttackedService.StartAsync();

        Assert.Null(await service.TryCallAsync(null, version));

        await service.AssertHandshakesRefusedAsync("no-certificate");
        await service.AssertCallIsServedAsync();
    }

    [Fact]
    public async Task Connect_TenTimesWithACertificateOfAnotherAuthority_IsCountedTenTimesAndLoggedOnce()
    {
        await using var service = await AttackedService.StartAsync();
        using var stranger = new TestCertificateAuthority();
        var certificate = MeshCaller.ContextOf(stranger.IssueLeaf(InboundTestHost.Web));
        for (var i = 0; i < 10; i++)
        {
            Assert.Null(await service.TryCallAsync(certificate));
        }

        await service.AssertHandshakesRefusedAsync("untrusted", 10);
    }

    [Theory]
    [InlineData("dev")]
    [InlineData("Default")]
    [InlineData("DEFAULT")]
    public async Task Connect_FromAnotherNamespace_IsRefusedWhateverIsAllowedToItsNamesake(string @namespace)
    {
        await using var service = await AttackedService.StartAsync();
        using var namesake = service.Authority.Issue(LeafBlueprint.For(
            SpiffeId.ForService(service.Authority.TrustDomain, "dc1", InboundTestHost.Web, @namespace)));

        Assert.Null(await service.TryCallAsync(MeshCaller.ContextOf(namesake)));

        await service.AssertHandshakesRefusedAsync("namespace");
    }
}
