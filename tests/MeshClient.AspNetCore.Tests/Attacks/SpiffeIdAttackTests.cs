using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Attacks;

/// <summary>Certificates the mesh's own root has signed, with an id that is to be read as that of web and is not.</summary>
public sealed class SpiffeIdAttackTests
{
    private const string Domain = "spiffe://" + TestCertificateAuthority.DefaultTrustDomain;
    private const string Web = Domain + "/ns/default/dc/dc1/svc/web";

    [Theory]
    [InlineData(Web + "/")]
    [InlineData(Web + "/.")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/ops/../web")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/./web")]
    [InlineData(Domain + "/ns/default//dc/dc1/svc/web")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc%2fweb")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/%77eb")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/web%00")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/web\0")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/web ")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc\\web")]
    [InlineData(Web + "?")]
    [InlineData(Web + "?x=1")]
    [InlineData(Web + "#web")]
    [InlineData(Domain + ":443/ns/default/dc/dc1/svc/web")]
    [InlineData("spiffe://web@" + TestCertificateAuthority.DefaultTrustDomain + "/ns/default/dc/dc1/svc/web")]
    [InlineData("spiffe:/" + TestCertificateAuthority.DefaultTrustDomain + "/ns/default/dc/dc1/svc/web")]
    [InlineData("spiffe:///ns/default/dc/dc1/svc/web")]
    [InlineData("https://" + TestCertificateAuthority.DefaultTrustDomain + "/ns/default/dc/dc1/svc/web")]
    [InlineData(" " + Web)]
    [InlineData(Web + "\n")]
    // Read by whoever folds case or shape, these would be web; here they name no service.
    [InlineData(Domain + "/NS/default/DC/dc1/SVC/web")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/web/extra")]
    [InlineData(Domain + "/dc/dc1/ns/default/svc/web")]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/-web")]
    [InlineData(Domain + "/agent/client/dc/dc1/id/web")]
    // A Cyrillic letter that looks like one of Latin.
    [InlineData(Domain + "/ns/default/dc/dc1/svc/w\u0435b")]
    [InlineData("")]
    public async Task Connect_WithAnIdThatOnlyLooksRight_IsRefused(string id) => await AssertRefusedAsync(id, "identity");

    [Theory]
    [InlineData(2048)]
    [InlineData(2049)]
    [InlineData(20_000)]
    public async Task Connect_WithAnIdOfManyBytes_IsRefused(int length)
    {
        const string beginning = Domain + "/ns/default/dc/dc1/svc/";
        await AssertRefusedAsync(beginning + new string('w', length - beginning.Length), "identity");
    }

    [Fact]
    public async Task Connect_WithAnIdOfAnotherTrustDomainUnderOurRoot_IsRefused()
    {
        await AssertRefusedAsync("spiffe://evil.consul/ns/default/dc/dc1/svc/web", "trust-domain");
        await AssertRefusedAsync(Web.Replace(".consul", ".consul.evil", StringComparison.Ordinal), "trust-domain");
    }

    [Theory]
    // Ids in good order, of other services than web; upper case in a trust domain means the same, as in host names.
    [InlineData(Domain + "/ns/default/dc/dc1/svc/WEB", 403)]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/Web", 403)]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/web.", 403)]
    [InlineData(Domain + "/ns/default/dc/dc1/svc/web-2", 403)]
    [InlineData("SPIFFE://11111111-2222-3333-4444-555555555555.CONSUL/ns/default/dc/dc1/svc/web", 200)]
    public async Task Connect_WithAnIdOfAnotherCase_IsThatOtherService(string id, int status)
    {
        await using var service = await AttackedService.StartAsync();
        using var certificate = service.Authority.Issue(new LeafBlueprint { Uris = [id] });

        Assert.StartsWith($"HTTP/1.1 {status}", await service.TryCallAsync(MeshCaller.ContextOf(certificate)), StringComparison.Ordinal);
    }

    private static async Task AssertRefusedAsync(string id, string reason)
    {
        await using var service = await AttackedService.StartAsync();
        using var certificate = service.Authority.Issue(new LeafBlueprint { Uris = [id] });

        Assert.Null(await service.TryCallAsync(MeshCaller.ContextOf(certificate)));

        await service.AssertHandshakesRefusedAsync(reason);
    }
}
