using System.Text;
using System.Text.Json;

namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Chain_OfAServiceNobodySpokeOf_IsTheSame()
    {
        var answer = await GetAsync($"/v1/discovery-chain/{Prefix}none");
        Assert.Equal((200, true), (answer.Status, answer.Index > 0));
        Assert.Equal(
            """
            resolver:p-none.default.dc1 of tcp in dc1
            resolver:p-none.default.dc1 5s default to p-none.default.dc1
            target p-none.default.dc1 {} {} p-none.default.dc1.internal.DOMAIN

            """,
            Outline(answer));
        Assert.Equal(IsConsul, !answer.Json.GetProperty("Chain").TryGetProperty("Default", out _));
        Assert.NotEmpty(Differing(KnownDifferences.ChainsSayMore, "no Default", "Default"));
    }

    [Fact]
    public async Task Chain_OfRouterSplitterResolverAndFailover_IsTheSame()
    {
        await PutEntriesAsync();
        Assert.Equal(
            """
            router:p-api.default of http in dc1
            resolver:p-web.default.dc1 5s default to p-web.default.dc1
            resolver:v1.p-api.default.dc1 15s to v1.p-api.default.dc1 else v1.p-api.default.dc2 v1.p-api.default.dc3
            resolver:v2.p-api.default.dc1 15s to v2.p-api.default.dc1 else p-web.default.dc1
            router:p-api.default /admin=splitter:p-web.default -=resolver:v2.p-api.default.dc1 /=splitter:p-api.default
            splitter:p-api.default 90=resolver:v1.p-api.default.dc1 3=resolver:p-web.default.dc1 7=resolver:v2.p-api.default.dc1
            splitter:p-web.default 30=resolver:p-web.default.dc1 70=resolver:v2.p-api.default.dc1
            target p-web.default.dc1 {} {} p-web.default.dc1.internal.DOMAIN
            target v1.p-api.default.dc1 {} {"Filter":"Service.Meta.v == 1"} v1.p-api.default.dc1.internal.DOMAIN
            target v1.p-api.default.dc2 {"Mode":"local"} {"Filter":"Service.Meta.v == 1"} v1.p-api.default.dc2.internal.DOMAIN
            target v1.p-api.default.dc3 {"Mode":"local"} {"Filter":"Service.Meta.v == 1"} v1.p-api.default.dc3.internal.DOMAIN
            target v2.p-api.default.dc1 {} {"Filter":"Service.Meta.v == 2","OnlyPassing":true} v2.p-api.default.dc1.internal.DOMAIN

            """,
            Outline(await GetAsync($"/v1/discovery-chain/{Prefix}api")));
        Assert.Equal(
            """
            resolver:v2.p-api.default.dc9 of http in dc9
            resolver:v2.p-api.default.dc9 15s to v2.p-api.default.dc9 else p-web.default.dc9
            target p-web.default.dc9 {"Mode":"local"} {} p-web.default.dc9.internal.DOMAIN
            target v2.p-api.default.dc9 {"Mode":"local"} {"Filter":"Service.Meta.v == 2","OnlyPassing":true} v2.p-api.default.dc9.internal.DOMAIN

            """,
            Outline(await GetAsync($"/v1/discovery-chain/{Prefix}old?compile-dc=dc9")));
    }

    [Fact]
    public async Task Chain_OfAServiceOutsideTheMesh_IsTheSame()
    {
        await ConfigAsync(Own("""{"Kind":"service-defaults","Name":"{p}ext","Protocol":"grpc","ExternalSNI":"x.example"}"""));
        Assert.Equal(
            """
            resolver:p-ext.default.dc1 of grpc in dc1
            resolver:p-ext.default.dc1 5s default to p-ext.default.dc1
            target p-ext.default.dc1 {} {} external x.example

            """,
            Outline(await GetAsync($"/v1/discovery-chain/{Prefix}ext")));
        var answer = await PutAsync("/v1/config", Own("""{"Kind":"service-resolver","Name":"{p}ext","Subsets":{"v":{}}}"""));
        Assert.Equal((RefusedStatus, $"service \"{Prefix}ext\" has an external SNI set; cannot define subsets for external services"), Plain(answer));
    }

    [Theory]
    [InlineData("{}", false, "router", "http", "15s")]
    [InlineData("""{"Zed":1}""", false, "router", "http", "15s")]
    [InlineData("""{"OverrideConnectTimeout":"7s"}""", true, "router", "http", "7s")]
    [InlineData("""{"OverrideConnectTimeout":7000000000,"OverrideProtocol":"http"}""", true, "router", "http", "7s")]
    [InlineData("""{"OverrideProtocol":"grpc"}""", true, "router", "grpc", "15s")]
    [InlineData("""{"OverrideProtocol":"tcp"}""", true, "resolver", "tcp", "15s")]
    [InlineData("""{"OverrideMeshGateway":{"Mode":"remote"}}""", true, "router", "http", "15s")]
    [InlineData("""{"OverrideMeshGateway":{"Mode":"local"}}""", false, "router", "http", "15s")]
    public async Task Chain_WithOverrides_IsTheSame(string body, bool isCustomized, string start, string protocol, string timeout)
    {
        await PutEntriesAsync();
        var answer = await SendAsync("POST", $"/v1/discovery-chain/{Prefix}api", body);
        var chain = answer.Json.GetProperty("Chain");
        Assert.Equal(
            (isCustomized, start, protocol, timeout),
            (chain.TryGetProperty("CustomizationHash", out _), chain.GetProperty("StartNode").GetString()!.Split(':')[0], chain.GetProperty("Protocol").GetString(),
                chain.GetProperty("Nodes").GetProperty($"resolver:v1.{Prefix}api.default.dc1").GetProperty("Resolver").GetProperty("ConnectTimeout").GetString()));
    }

    [Theory]
    [InlineData("GET", "", null, 400, "Bad request: Missing chain name")]
    [InlineData("POST", "x", "{", 400, Undecoded + "unexpected EOF")]
    [InlineData("POST", "x", "[]", 400, Undecoded + "json: cannot unmarshal array into Go value of type map[string]interface {}")]
    [InlineData("POST", "x", """{"OverrideConnectTimeout":"x"}""", 400, Undecoded + "1 error(s) decoding:\n\n* error decoding 'OverrideConnectTimeout': time: invalid duration \"x\"")]
    [InlineData("POST", "x", """{"OverrideMeshGateway":{"Mode":"bogus"}}""", 400, "Invalid OverrideMeshGateway.Mode parameter")]
    [InlineData("PUT", "x", "{}", 405, "method PUT not allowed")]
    public async Task Chain_OfSomethingWrong_IsRefusedInTheSameWords(string method, string name, string? body, int status, string text) =>
        Assert.Equal((status, text), Plain(await SendAsync(method, $"/v1/discovery-chain/{name}", body)));

    [Fact]
    public async Task Chain_Watched_WakesForItsOwnEntries()
    {
        var path = $"/v1/discovery-chain/{Prefix}watched";
        var before = await GetAsync(path);
        var (answer, waited) = await WatchAsync(path, before.Index!.Value, () => ConfigAsync(Own("""{"Kind":"service-resolver","Name":"{p}watched","ConnectTimeout":"3s"}""")));
        Assert.True(waited);
        Assert.Contains("\"3s\"", answer.Compact, StringComparison.Ordinal);
    }

    private async Task PutEntriesAsync()
    {
        foreach (var name in (string[])["api", "web", "old"])
        {
            await ConfigAsync($$"""{"Kind":"service-defaults","Name":"{{Prefix}}{{name}}","Protocol":"http","MeshGateway":{"Mode":"local"} }""");
        }

        await ConfigAsync(Own("""{"Kind":"service-resolver","Name":"{p}api","DefaultSubset":"v1","ConnectTimeout":"15s","Subsets":{"v1":{"Filter":"Service.Meta.v == 1"},"v2":{"Filter":"Service.Meta.v == 2","OnlyPassing":true}},"Failover":{"v2":{"Service":"{p}web"},"*":{"Datacenters":["dc1","dc2","dc3"]}}}"""));
        await ConfigAsync(Own("""{"Kind":"service-resolver","Name":"{p}old","Redirect":{"Service":"{p}api","ServiceSubset":"v2"}}"""));
        await ConfigAsync(Own("""{"Kind":"service-splitter","Name":"{p}web","Splits":[{"Weight":30},{"Weight":70,"Service":"{p}old"}]}"""));
        await ConfigAsync(Own("""{"Kind":"service-splitter","Name":"{p}api","Splits":[{"Weight":90,"ServiceSubset":"v1"},{"Weight":10,"Service":"{p}web"}]}"""));
        await ConfigAsync(Own("""{"Kind":"service-router","Name":"{p}api","Routes":[{"Match":{"HTTP":{"PathPrefix":"/admin"}},"Destination":{"Service":"{p}web","PrefixRewrite":"/"}},{"Destination":{"ServiceSubset":"v2"}}]}"""));
    }

    /// <summary>All of a chain in few lines, with the names of this test and the trust domain replaced.</summary>
    private string Outline(StoreAnswer answer)
    {
        var chain = answer.Json.GetProperty("Chain");
        var text = new StringBuilder($"{chain.GetProperty("StartNode").GetString()} of {chain.GetProperty("Protocol").GetString()} in {chain.GetProperty("Datacenter").GetString()}\n");
        foreach (var node in chain.GetProperty("Nodes").EnumerateObject())
        {
            Assert.Equal(node.Name, $"{node.Value.GetProperty("Type").GetString()}:{node.Value.GetProperty("Name").GetString()}");
            text.Append($"{node.Name} {(node.Value.TryGetProperty("Resolver", out var resolver) ? Resolver(resolver)
                : node.Value.TryGetProperty("Splits", out var splits) ? string.Join(' ', splits.EnumerateArray().Select(split => $"{split.GetProperty("Weight")}={split.GetProperty("NextNode")}"))
                : string.Join(' ', node.Value.GetProperty("Routes").EnumerateArray().Select(route => $"{PathOf(route)}={route.GetProperty("NextNode")}")))}\n");
        }

        foreach (var target in chain.GetProperty("Targets").EnumerateObject())
        {
            var external = target.Value.TryGetProperty("External", out _) ? "external " : string.Empty;
            text.Append($"target {target.Name} {Minified(target.Value.GetProperty("MeshGateway"))} {Minified(target.Value.GetProperty("Subset"))} {external}{target.Value.GetProperty("SNI").GetString()}\n");
        }

        return TrustDomains().Replace(text.ToString().Replace(Prefix, "p-", StringComparison.Ordinal), "internal.DOMAIN");

        static string Resolver(JsonElement resolver) =>
            $"{resolver.GetProperty("ConnectTimeout").GetString()} {(resolver.TryGetProperty("Default", out _) ? "default " : string.Empty)}to {resolver.GetProperty("Target").GetString()}"
            + (resolver.TryGetProperty("Failover", out var failover) ? $" else {string.Join(' ', failover.GetProperty("Targets").EnumerateArray())}" : string.Empty);

        static string PathOf(JsonElement route) =>
            route.GetProperty("Definition").TryGetProperty("Match", out var match) ? match.GetProperty("HTTP").GetProperty("PathPrefix").GetString()! : "-";

        static string Minified(JsonElement element) => JsonSerializer.Serialize(element);
    }

    [System.Text.RegularExpressions.GeneratedRegex(@"internal\.[0-9a-f-]{36}\.consul")]
    private static partial System.Text.RegularExpressions.Regex TrustDomains();
}
