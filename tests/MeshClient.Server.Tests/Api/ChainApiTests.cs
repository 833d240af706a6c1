using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>discovery-chain and config, before there are config entries.</summary>
public sealed class ChainApiTests
{
    [Fact]
    public async Task Chain_OfAnyService_IsTheDefaultOne()
    {
        await using var server = await TestServer.StartAsync();
        var domain = server.State.Authority!.TrustDomain;
        var answer = await server.GetAsync("/v1/discovery-chain/tcpsvc");
        Assert.Equal(
            """{"Chain":{"ServiceName":"tcpsvc","Namespace":"default","Datacenter":"dc1","Default":true,"Protocol":"tcp","StartNode":"resolver:tcpsvc.default.dc1","Nodes":{"resolver:tcpsvc.default.dc1":{"Type":"resolver","Name":"tcpsvc.default.dc1","Resolver":{"ConnectTimeout":"5s","Default":true,"Target":"tcpsvc.default.dc1"}}},"Targets":{"tcpsvc.default.dc1":{"ID":"tcpsvc.default.dc1","Service":"tcpsvc","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{},"SNI":"tcpsvc.default.dc1.internal.DOMAIN","Name":"tcpsvc.default.dc1.internal.DOMAIN"}}}}"""
                .Replace("DOMAIN", domain, StringComparison.Ordinal),
            answer.Body);
        Assert.NotEqual(0UL, answer.Index);
        Assert.Equal("leader", answer.Headers["X-Consul-Effective-Consistency"]);
    }

    [Fact]
    public async Task Chain_WithOverrides_SaysThatItIsCustomised()
    {
        await using var server = await TestServer.StartAsync();
        var chain = (await server.PostAsync("/v1/discovery-chain/api", """{"OverrideConnectTimeout":"7s","OverrideProtocol":"grpc","OverrideMeshGateway":{"Mode":"remote"},"Else":1}""")).Json.GetProperty("Chain");
        Assert.Matches("^[0-9a-f]{8}$", chain.GetProperty("CustomizationHash").GetString());
        Assert.Equal("grpc", chain.GetProperty("Protocol").GetString());
        Assert.Equal("7s", chain.GetProperty("Nodes").GetProperty("resolver:api.default.dc1").GetProperty("Resolver").GetProperty("ConnectTimeout").GetString());
        Assert.Equal("""{"Mode":"remote"}""", chain.GetProperty("Targets").GetProperty("api.default.dc1").GetProperty("MeshGateway").GetRawText());
    }

    [Theory]
    [InlineData("GET", "/v1/discovery-chain/", 400, "Bad request: Missing chain name")]
    [InlineData("POST", "/v1/discovery-chain/x", 400, "Bad request: Request decode failed: unexpected EOF")]
    [InlineData("GET", "/v1/config/bogus", 400, "invalid config entry kind: bogus")]
    [InlineData("GET", "/v1/config/service-router/nope", 404, "Config entry not found for \"service-router\" / \"nope\"")]
    [InlineData("PUT", "/v1/config/service-router/nope", 405, "method PUT not allowed")]
    public async Task ConfigCalls_OfSomethingWrong_AnswerInConsulsWords(string method, string path, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, path, method == "POST" ? "{" : null);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
        Assert.Equal(status == (int)HttpStatusCode.NotFound, answer.Headers.ContainsKey("X-Consul-Index"));
    }
}
