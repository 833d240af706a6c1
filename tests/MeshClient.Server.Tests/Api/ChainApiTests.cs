using System.Net;
using System.Text.Json;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>discovery-chain, with the answers of the captures. Of newer versions are Default and the Definition of legs.</summary>
public sealed class ChainApiTests
{
    private const string Domain = "TRUST.DOMAIN";

    [Fact]
    public async Task Chain_OfAnyService_IsTheDefaultOne()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync("/v1/discovery-chain/tcpsvc");
        Assert.Equal(
            """{"Chain":{"ServiceName":"tcpsvc","Namespace":"default","Datacenter":"dc1","Default":true,"Protocol":"tcp","StartNode":"resolver:tcpsvc.default.dc1","Nodes":{"resolver:tcpsvc.default.dc1":{"Type":"resolver","Name":"tcpsvc.default.dc1","Resolver":{"ConnectTimeout":"5s","Default":true,"Target":"tcpsvc.default.dc1"}}},"Targets":{"tcpsvc.default.dc1":{"ID":"tcpsvc.default.dc1","Service":"tcpsvc","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{},"SNI":"tcpsvc.default.dc1.internal.TRUST.DOMAIN","Name":"tcpsvc.default.dc1.internal.TRUST.DOMAIN"}}}}""",
            Plain(server, answer.Body));
        Assert.NotEqual(0UL, answer.Index);
        Assert.Equal("leader", answer.Headers["X-Consul-Effective-Consistency"]);
    }

    [Fact]
    public async Task Chain_WithRouterSplitterAndResolver_IsConsuls()
    {
        await using var server = await StartAsync();
        Assert.Equal(
            """{"Chain":{"ServiceName":"api","Namespace":"default","Datacenter":"dc1","Protocol":"http","StartNode":"router:api.default","Nodes":{"resolver:v1.api.default.dc1":{"Type":"resolver","Name":"v1.api.default.dc1","Resolver":{"ConnectTimeout":"15s","RequestTimeout":60000000000,"Target":"v1.api.default.dc1","Failover":{"Targets":["v1.api.default.dc2","v1.api.default.dc3"]}},"LoadBalancer":{"Policy":"maglev"}},"resolver:v2.api.default.dc1":{"Type":"resolver","Name":"v2.api.default.dc1","Resolver":{"ConnectTimeout":"15s","RequestTimeout":60000000000,"Target":"v2.api.default.dc1","Failover":{"Targets":["web.default.dc1"]}},"LoadBalancer":{"Policy":"maglev"}},"resolver:web.default.dc1":{"Type":"resolver","Name":"web.default.dc1","Resolver":{"ConnectTimeout":"5s","Default":true,"Target":"web.default.dc1"}},"router:api.default":{"Type":"router","Name":"api.default","Routes":[{"Definition":{"Match":{"HTTP":{"PathPrefix":"/admin"}},"Destination":{"RequestTimeout":"15s","Service":"web","PrefixRewrite":"/"}},"NextNode":"resolver:web.default.dc1"},{"Definition":{"Match":{"HTTP":{"PathExact":"/exact","Methods":["GET"]}},"Destination":{"ServiceSubset":"v2"}},"NextNode":"resolver:v2.api.default.dc1"},{"Definition":{"Match":{"HTTP":{"PathRegex":"/re/[0-9]+"}},"Destination":{"Service":"api"}},"NextNode":"splitter:api.default"},{"Definition":{"Match":{"HTTP":{"PathPrefix":"/"}},"Destination":{"Service":"api","Namespace":"default"}},"NextNode":"splitter:api.default"}]},"splitter:api.default":{"Type":"splitter","Name":"api.default","Splits":[{"Definition":{"Weight":90,"ServiceSubset":"v1"},"Weight":90,"NextNode":"resolver:v1.api.default.dc1"},{"Definition":{"Weight":10,"ServiceSubset":"v2"},"Weight":10,"NextNode":"resolver:v2.api.default.dc1"}],"LoadBalancer":{"Policy":"maglev"}}},"Targets":{"v1.api.default.dc1":{"ID":"v1.api.default.dc1","Service":"api","ServiceSubset":"v1","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{"Filter":"Service.Meta.version == v1"},"SNI":"v1.api.default.dc1.internal.TRUST.DOMAIN","Name":"v1.api.default.dc1.internal.TRUST.DOMAIN"},"v1.api.default.dc2":{"ID":"v1.api.default.dc2","Service":"api","ServiceSubset":"v1","Namespace":"default","Datacenter":"dc2","MeshGateway":{"Mode":"remote"},"Subset":{"Filter":"Service.Meta.version == v1"},"SNI":"v1.api.default.dc2.internal.TRUST.DOMAIN","Name":"v1.api.default.dc2.internal.TRUST.DOMAIN"},"v1.api.default.dc3":{"ID":"v1.api.default.dc3","Service":"api","ServiceSubset":"v1","Namespace":"default","Datacenter":"dc3","MeshGateway":{"Mode":"remote"},"Subset":{"Filter":"Service.Meta.version == v1"},"SNI":"v1.api.default.dc3.internal.TRUST.DOMAIN","Name":"v1.api.default.dc3.internal.TRUST.DOMAIN"},"v2.api.default.dc1":{"ID":"v2.api.default.dc1","Service":"api","ServiceSubset":"v2","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{"Filter":"Service.Meta.version == v2","OnlyPassing":true},"SNI":"v2.api.default.dc1.internal.TRUST.DOMAIN","Name":"v2.api.default.dc1.internal.TRUST.DOMAIN"},"web.default.dc1":{"ID":"web.default.dc1","Service":"web","Namespace":"default","Datacenter":"dc1","MeshGateway":{},"Subset":{},"External":true,"SNI":"x.example","Name":"web.default.dc1.internal.TRUST.DOMAIN"}}}}""",
            Plain(server, (await server.GetAsync("/v1/discovery-chain/api")).Body));
    }

    [Fact]
    public async Task Chain_OfARedirectedService_StartsAtWhereItLeads()
    {
        await using var server = await StartAsync();
        var chain = await ChainAsync(server, "old-api");
        Assert.Equal("resolver:v2.api.default.dc1", chain.GetProperty("StartNode").GetString());
        Assert.Equal(["resolver:v2.api.default.dc1"], Keys(chain, "Nodes"));
        Assert.Equal(["v2.api.default.dc1", "web.default.dc1"], Keys(chain, "Targets"));
    }

    [Fact]
    public async Task Chain_CompiledForAnotherDatacenter_IsSeenFromThere()
    {
        await using var server = await StartAsync();
        var chain = await ChainAsync(server, "api?compile-dc=dc2");
        Assert.Equal("dc2", chain.GetProperty("Datacenter").GetString());
        Assert.Equal("""["v1.api.default.dc1","v1.api.default.dc3"]""", chain.GetProperty("Nodes").GetProperty("resolver:v1.api.default.dc2").GetProperty("Resolver").GetProperty("Failover").GetProperty("Targets").GetRawText());
        Assert.Equal(["v1.api.default.dc1", "v1.api.default.dc2", "v1.api.default.dc3", "v2.api.default.dc2", "web.default.dc2"], Keys(chain, "Targets"));
    }

    [Fact]
    public async Task Chain_WithSplittersThatLeadOn_HasThemFoldedIn()
    {
        await using var server = await StartAsync();
        foreach (var name in new[] { "a", "b", "c" })
        {
            await PutAsync(server, $$"""{"Kind":"service-defaults","Name":"{{name}}","Protocol":"http"}""");
        }

        await PutAsync(server, """{"Kind":"service-splitter","Name":"b","Splits":[{"Weight":30,"RequestHeaders":{"Set":{"x":"b"},"Add":{"y":"b"}}},{"Weight":70,"Service":"c"}]}""");
        await PutAsync(server, """{"Kind":"service-splitter","Name":"a","Splits":[{"Weight":50,"Service":"c"},{"Weight":50,"Service":"b","RequestHeaders":{"Set":{"x":"a","z":"a"},"Remove":["w"]}}]}""");
        var chain = await ChainAsync(server, "a");
        Assert.Equal(["resolver:b.default.dc1", "resolver:c.default.dc1", "splitter:a.default"], Keys(chain, "Nodes"));
        Assert.Equal(
            """[{"Definition":{"Weight":50,"Service":"c"},"Weight":50,"NextNode":"resolver:c.default.dc1"},{"Definition":{"Weight":30,"RequestHeaders":{"Add":{"y":"b"},"Set":{"x":"b","z":"a"},"Remove":["w"]}},"Weight":15,"NextNode":"resolver:b.default.dc1"},{"Definition":{"Weight":70,"Service":"c","RequestHeaders":{"Set":{"x":"a","z":"a"},"Remove":["w"]}},"Weight":35,"NextNode":"resolver:c.default.dc1"}]""",
            chain.GetProperty("Nodes").GetProperty("splitter:a.default").GetProperty("Splits").GetRawText());
    }

    [Theory]
    [InlineData("""{"OverrideConnectTimeout":"7s"}""", true, "http", "router:api.default")]
    [InlineData("""{"overrideconnecttimeout":7000000000}""", true, "http", "router:api.default")]
    [InlineData("""{"OverrideConnectTimeout":"-1s"}""", false, "http", "router:api.default")]
    [InlineData("""{"OverrideProtocol":"grpc"}""", true, "grpc", "router:api.default")]
    [InlineData("""{"OverrideProtocol":"http"}""", false, "http", "router:api.default")]
    [InlineData("""{"OverrideProtocol":"tcp"}""", true, "tcp", "resolver:v1.api.default.dc1")]
    [InlineData("""{"OverrideMeshGateway":{"Mode":"local"}}""", true, "http", "router:api.default")]
    [InlineData("""{"OverrideMeshGateway":{"Mode":"remote"}}""", false, "http", "router:api.default")]
    [InlineData("""{"Zed":1}""", false, "http", "router:api.default")]
    [InlineData("{}", false, "http", "router:api.default")]
    public async Task Chain_WithOverrides_SaysWhatTheyChanged(string body, bool isCustomized, string protocol, string start)
    {
        await using var server = await StartAsync();
        var chain = (await server.PostAsync("/v1/discovery-chain/api", body)).Json.GetProperty("Chain");
        Assert.Equal(isCustomized, chain.TryGetProperty("CustomizationHash", out var hash));
        Assert.Equal((protocol, start), (chain.GetProperty("Protocol").GetString(), chain.GetProperty("StartNode").GetString()));
        if (isCustomized)
        {
            Assert.Matches("^[0-9a-f]{8}$", hash.GetString());
            var timeout = chain.GetProperty("Nodes").GetProperty("resolver:v1.api.default.dc1").GetProperty("Resolver").GetProperty("ConnectTimeout").GetString();
            Assert.Equal(body.Contains('7', StringComparison.Ordinal) ? "7s" : "15s", timeout);
        }
    }

    [Theory]
    [InlineData("GET", "/v1/discovery-chain/", null, 400, "Bad request: Missing chain name")]
    [InlineData("POST", "/v1/discovery-chain/x", "{", 400, "Bad request: Request decoding failed: unexpected EOF")]
    [InlineData("POST", "/v1/discovery-chain/x", "[]", 400, "Bad request: Request decoding failed: json: cannot unmarshal array into Go value of type map[string]interface {}")]
    [InlineData("POST", "/v1/discovery-chain/x", """{"OverrideConnectTimeout":"x"}""", 400, "Bad request: Request decoding failed: 1 error(s) decoding:\n\n* error decoding 'OverrideConnectTimeout': time: invalid duration \"x\"")]
    [InlineData("POST", "/v1/discovery-chain/x", """{"OverrideMeshGateway":{"Mode":"bogus"}}""", 400, "Invalid OverrideMeshGateway.Mode parameter")]
    [InlineData("PUT", "/v1/discovery-chain/x", "{}", 405, "method PUT not allowed")]
    public async Task Chain_OfSomethingWrong_AnswersInConsulsWords(string method, string path, string? body, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, path, body);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task Watch_OfAChain_WakesForWhatItIsMadeOfOnly()
    {
        await using var server = await StartAsync();
        var before = await server.GetAsync("/v1/discovery-chain/old-api");
        var watch = await server.ParkAsync("/v1/discovery-chain/old-api", before.Index);
        await PutAsync(server, """{"Kind":"service-resolver","Name":"unrelated","ConnectTimeout":"1s"}""");
        await PutAsync(server, """{"Kind":"service-splitter","Name":"unrelated-2","Splits":[{"Weight":100}]}""", mayFail: true);
        var still = await server.GetAsync("/v1/discovery-chain/old-api");
        Assert.Equal((before.Index, before.Body), (still.Index, still.Body));
        Assert.False(watch.IsCompleted);

        // Not its own entry, but that of the service it is redirected to.
        await PutAsync(server, """{"Kind":"service-resolver","Name":"api","DefaultSubset":"v1","ConnectTimeout":"3s","Subsets":{"v1":{},"v2":{}}}""");
        var after = await watch;
        Assert.True(after.Index > before.Index);
        Assert.Equal("3s", after.Json.GetProperty("Chain").GetProperty("Nodes").GetProperty("resolver:v2.api.default.dc1").GetProperty("Resolver").GetProperty("ConnectTimeout").GetString());
    }

    [Fact]
    public async Task Watch_OfAChain_WakesForWhatHoldsForAll()
    {
        await using var server = await TestServer.StartAsync();
        var watch = await server.ParkAsync("/v1/discovery-chain/any", (await server.GetAsync("/v1/discovery-chain/any")).Index);
        await PutAsync(server, """{"Kind":"proxy-defaults","Name":"global","Config":{"Protocol":"HTTP2"}}""");
        Assert.Equal("http2", (await watch).Json.GetProperty("Chain").GetProperty("Protocol").GetString());
    }

    [Fact]
    public async Task Chain_AskedForFromTheCache_SaysSo()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync("/v1/discovery-chain/api?cached");
        Assert.Equal(("HIT", "0"), (answer.Headers["X-Cache"], answer.Headers["Age"]));
    }

    private static async Task<TestServer> StartAsync()
    {
        var server = await TestServer.StartAsync();
        await PutAsync(server, """{"Kind":"proxy-defaults","Name":"global","MeshGateway":{"Mode":"local"}}""");
        await PutAsync(server, """{"Kind":"service-defaults","Name":"api","Protocol":"http","MeshGateway":{"Mode":"remote"}}""");
        await PutAsync(server, """{"Kind":"service-defaults","Name":"old-api","Protocol":"HTTP"}""");
        await PutAsync(server, """{"Kind":"service-defaults","Name":"web","Protocol":"http","ExternalSNI":"x.example"}""");
        await PutAsync(server, """{"Kind":"service-resolver","Name":"api","DefaultSubset":"v1","ConnectTimeout":"15s","RequestTimeout":"1m","LoadBalancer":{"Policy":"maglev"},"Subsets":{"v1":{"Filter":"Service.Meta.version == v1"},"v2":{"Filter":"Service.Meta.version == v2","OnlyPassing":true}},"Failover":{"v2":{"Service":"web"},"*":{"Datacenters":["dc1","dc2","dc3"]}}}""");
        await PutAsync(server, """{"Kind":"service-resolver","Name":"old-api","Redirect":{"Service":"api","ServiceSubset":"v2"}}""");
        await PutAsync(server, """{"Kind":"service-splitter","Name":"api","Splits":[{"Weight":90,"ServiceSubset":"v1"},{"Weight":10,"ServiceSubset":"v2"}]}""");
        await PutAsync(server, """{"Kind":"service-router","Name":"api","Routes":[{"Match":{"HTTP":{"PathPrefix":"/admin"}},"Destination":{"Service":"web","PrefixRewrite":"/","RequestTimeout":"15s"}},{"Match":{"HTTP":{"PathExact":"/exact","Methods":["GET"]}},"Destination":{"ServiceSubset":"v2"}},{"Match":{"HTTP":{"PathRegex":"/re/[0-9]+"}},"Destination":{"Service":"api"}}]}""");
        return server;
    }

    private static async Task PutAsync(TestServer server, string body, bool mayFail = false)
    {
        var answer = await server.PutAsync("/v1/config", body);
        Assert.True(mayFail || answer is { Status: HttpStatusCode.OK, Body: "true" }, $"{body}: {(int)answer.Status} {answer.Body}");
    }

    private static async Task<JsonElement> ChainAsync(TestServer server, string path) =>
        (await server.GetAsync($"/v1/discovery-chain/{path}")).Json.GetProperty("Chain");

    private static IEnumerable<string> Keys(JsonElement chain, string part) =>
        chain.GetProperty(part).EnumerateObject().Select(property => property.Name);

    private static string Plain(TestServer server, string body) =>
        body.Replace(server.State.Authority!.TrustDomain, Domain, StringComparison.Ordinal);
}
