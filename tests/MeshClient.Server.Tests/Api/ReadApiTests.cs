using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>health/*, catalog/*, agent/self, members, status: forms and parameters.</summary>
public sealed class ReadApiTests
{
    [Fact]
    public async Task Health_OfAnInstance_HasConsulsFormToTheByte()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", "web1", more: ""","Tags":["v1","<&>"],"Meta":{"version":"1.0"},"Connect":{"Native":true}""");
        var answer = await server.GetAsync("/v1/health/service/web");
        var node = server.State.Catalog.Node;
        var (n, i) = (node.CreateIndex, answer.Index);
        Assert.Equal(
            $$$"""[{"Node":{"ID":"{{{node.Id}}}","Node":"n1","Address":"127.0.0.1","Datacenter":"dc1","TaggedAddresses":{"lan":"127.0.0.1","lan_ipv4":"127.0.0.1","wan":"127.0.0.1","wan_ipv4":"127.0.0.1"},"Meta":{"consul-network-segment":""},"CreateIndex":{{{n}}},"ModifyIndex":{{{n}}}},"Service":{"ID":"web1","Service":"web","Tags":["v1","\u003c\u0026\u003e"],"Address":"127.0.0.1","TaggedAddresses":{"lan_ipv4":{"Address":"127.0.0.1","Port":80},"wan_ipv4":{"Address":"127.0.0.1","Port":80}},"Meta":{"version":"1.0"},"Port":80,"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{"Native":true},"CreateIndex":{{{i}}},"ModifyIndex":{{{i}}}},"Checks":[{"Node":"n1","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Notes":"","Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"","Definition":{},"CreateIndex":{{{n}}},"ModifyIndex":{{{n}}}},{"Node":"n1","CheckID":"service:web1","Name":"Service 'web' check","Status":"passing","Notes":"","Output":"","ServiceID":"web1","ServiceName":"web","ServiceTags":["v1","\u003c\u0026\u003e"],"Type":"ttl","Definition":{},"CreateIndex":{{{i}}},"ModifyIndex":{{{i}}}}]}]""",
            answer.Body);
        Assert.Equal("application/json", answer.Headers["Content-Type"]);
        Assert.Equal(("true", "0", "leader", "deny", "Accept-Encoding"), (
            answer.Headers["X-Consul-Knownleader"], answer.Headers["X-Consul-Lastcontact"], answer.Headers["X-Consul-Effective-Consistency"],
            answer.Headers["X-Consul-Default-ACL-Policy"], answer.Headers["Vary"]));
    }

    [Fact]
    public async Task CatalogService_OfAnInstance_IsFlat()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", "web1");
        var entry = (await server.GetAsync("/v1/catalog/service/web")).Json[0];
        Assert.Equal(
            ["ID", "Node", "Address", "Datacenter", "TaggedAddresses", "NodeMeta", "ServiceKind", "ServiceID", "ServiceName", "ServiceTags",
             "ServiceAddress", "ServiceTaggedAddresses", "ServiceWeights", "ServiceMeta", "ServicePort", "ServiceEnableTagOverride",
             "ServiceProxy", "ServiceConnect", "CreateIndex", "ModifyIndex"],
            entry.EnumerateObject().Select(property => property.Name));
        Assert.Equal("web1", entry.GetProperty("ServiceID").GetString());
    }

    [Theory]
    [InlineData("", "a,b,c")]
    [InlineData("?passing", "a")]
    [InlineData("?passing=true", "a")]
    [InlineData("?passing=1", "a")]
    [InlineData("?passing=false", "a,b,c")]
    [InlineData("?passing=0", "a,b,c")]
    [InlineData("?tag=v1", "a,b")]
    [InlineData("?tag=V1", "a,b")]
    [InlineData("?tag=v1&tag=x", "b")]
    [InlineData("?tag=v1&tag=v2", "")]
    [InlineData("?passing&tag=v2", "")]
    [InlineData("?near=_agent", "a,b,c")]
    [InlineData("?near=nope&stale&ns=x&partition=y", "a,b,c")]
    [InlineData("?dc=dc1", "a,b,c")]
    [InlineData("?dc=", "a,b,c")]
    [InlineData("?node-meta=consul-network-segment:", "a,b,c")]
    [InlineData("?node-meta=k:v", "")]
    public async Task Health_WithParameters_NarrowsTheList(string query, string ids)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("api", "a", more: ""","Tags":["v1"]""");
        await server.RegisterAsync("api", "b", """{"TTL":"10s","Status":"warning"}""", ""","Tags":["v1","x"]""");
        await server.RegisterAsync("api", "c", """{"TTL":"10s"}""", ""","Tags":["v2"]""");
        foreach (var name in new[] { "api", "API" })
        {
            var answer = await server.GetAsync($"/v1/health/service/{name}{query}");
            Assert.Equal(ids, string.Join(',', answer.Json.EnumerateArray().Select(entry => entry.GetProperty("Service").GetProperty("ID").GetString())));
        }
    }

    [Theory]
    [InlineData("/v1/health/service/x?passing=maybe", 400, "Invalid value for ?passing")]
    [InlineData("/v1/health/service/", 400, "Missing service name")]
    [InlineData("/v1/health/connect/", 400, "Missing service name")]
    [InlineData("/v1/catalog/service/", 400, "Missing service name")]
    [InlineData("/v1/health/service/x?filter=Nope==1", 400, "Failed to create boolean expression evaluator: Selector \"Nope\" is not valid")]
    [InlineData("/v1/health/service/x?stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics.")]
    [InlineData("/v1/catalog/nodes?wait=zz", 400, "Invalid wait time")]
    [InlineData("/v1/catalog/nodes?index=zz", 400, "Invalid index")]
    [InlineData("/v1/catalog/nodes?max_stale=zz", 400, "Invalid max_stale value \"zz\"")]
    [InlineData("/v1/health/service/x?index=5&wait=1", 400, "Invalid wait time")]
    [InlineData("/v1/health/service/x?index=-1", 400, "Invalid index")]
    [InlineData("/v1/health/service/x?dc=dc9", 500, "No path to datacenter")]
    [InlineData("/v1/catalog/services?dc=dc9", 500, "No path to datacenter")]
    public async Task Reads_OfSomethingWrong_AnswerInConsulsWords(string path, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync(path);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
        if (status == 500)
        {
            Assert.Equal(("1", "false", "0"), (answer.Headers["X-Consul-Index"], answer.Headers["X-Consul-Knownleader"], answer.Headers["X-Consul-Lastcontact"]));
        }
    }

    [Theory]
    [InlineData("/v1/health/service/nope")]
    [InlineData("/v1/health/connect/nope")]
    [InlineData("/v1/catalog/service/nope")]
    [InlineData("/v1/connect/intentions")]
    [InlineData("/v1/config/service-router")]
    public async Task Reads_OfNothing_AreAnEmptyListWithAnIndex(string path)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync(path);
        Assert.Equal((HttpStatusCode.OK, "[]"), (answer.Status, answer.Body));
        Assert.NotEqual(0UL, answer.Index);
    }

    [Theory]
    [InlineData("?stale", "stale")]
    [InlineData("?max_stale=10s", "stale")]
    [InlineData("?consistent", "consistent")]
    [InlineData("?cached", "leader")]
    public async Task Reads_WithAConsistency_NameIt(string query, string mode)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync("/v1/health/service/x" + query);
        Assert.Equal(mode, answer.Headers["X-Consul-Effective-Consistency"]);
        Assert.Equal(query == "?cached", answer.Headers.ContainsKey("X-Cache"));
    }

    [Theory]
    [InlineData("?pretty")]
    [InlineData("?pretty=false")]
    public async Task Reads_WithPretty_AreIndentedByFour(string query)
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("[\n    \"dc1\"\n]", (await server.GetAsync("/v1/catalog/datacenters" + query)).Body);
        Assert.Equal("[]", (await server.GetAsync("/v1/health/service/nope" + query)).Body);
        Assert.Equal("{}", (await server.GetAsync("/v1/agent/services" + query)).Body);
    }

    [Fact]
    public async Task CatalogServices_OfInstances_GivesEachTagOnce()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", "w1", more: ""","Tags":["v1","http"]""");
        await server.RegisterAsync("web", "w2", more: ""","Tags":["http","v2"]""");
        await server.RegisterAsync("api");
        Assert.Equal("""{"api":[],"web":["v1","http","v2"]}""", (await server.GetAsync("/v1/catalog/services")).Body);
    }

    [Fact]
    public async Task CatalogNodes_IsTheOneNode()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync("/v1/catalog/nodes");
        Assert.Equal("n1", Assert.Single(answer.Json.EnumerateArray()).GetProperty("Node").GetString());
        Assert.NotEqual(0UL, answer.Index);
        Assert.Equal("[]", (await server.GetAsync("/v1/catalog/nodes?node-meta=a:b")).Body);
    }

    [Fact]
    public async Task Self_IsWhatTheCliPrints()
    {
        await using var server = await TestServer.StartAsync(options => options.DefaultIntentionPolicy = DefaultIntentionPolicy.Allow);
        var answer = await server.GetAsync("/v1/agent/self");
        Assert.Equal("allow", answer.Headers["X-Consul-Default-ACL-Policy"]);
        var config = answer.Json.GetProperty("Config");
        Assert.Equal(("dc1", "n1", true), (config.GetProperty("Datacenter").GetString(), config.GetProperty("NodeName").GetString(), config.GetProperty("Server").GetBoolean()));
        Assert.Equal(["Config", "DebugConfig", "Coord", "Member", "Stats", "Meta", "xDS"], answer.Json.EnumerateObject().Select(part => part.Name));
        Assert.All(answer.Json.GetProperty("Stats").EnumerateObject().SelectMany(group => group.Value.EnumerateObject()), value => Assert.NotNull(value.Value.GetString()));
        Assert.Equal(1, (await server.GetAsync("/v1/agent/members?segment=_all")).Json[0].GetProperty("Status").GetInt32());
        Assert.Equal("\"127.0.0.1:8300\"", (await server.GetAsync("/v1/status/leader")).Body);
    }

    [Theory]
    [InlineData(false, "0", "disabled")]
    [InlineData(true, "1", "enabled")]
    public async Task Self_SaysWhetherTokensAreDemanded(bool enabled, string tag, string stat)
    {
        await using var server = enabled ? await TestServer.StartGuardedAsync() : await TestServer.StartAsync();
        var self = (await server.GetAsync("/v1/agent/self")).Json;
        Assert.Equal(enabled, self.GetProperty("DebugConfig").GetProperty("ACLsEnabled").GetBoolean());
        Assert.Equal(stat, self.GetProperty("Stats").GetProperty("consul").GetProperty("acl").GetString());
        Assert.Equal(tag, self.GetProperty("Member").GetProperty("Tags").GetProperty("acls").GetString());
        Assert.Equal(tag, (await server.GetAsync("/v1/agent/members")).Json[0].GetProperty("Tags").GetProperty("acls").GetString());
    }

    [Theory]
    [InlineData("GET", "/v1/nope")]
    [InlineData("GET", "/nope")]
    [InlineData("GET", "/")]
    [InlineData("GET", "/v1/agent/")]
    [InlineData("GET", "/v1/catalog/nodes/")]
    [InlineData("GET", "/V1/catalog/nodes")]
    [InlineData("PUT", "/v1/nope")]
    public async Task AnUnknownPath_Is404WithoutABody(string method, string path)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, path);
        Assert.Equal((HttpStatusCode.NotFound, ""), (answer.Status, answer.Body));
        Assert.Equal(method == "GET", answer.Headers.ContainsKey("X-Consul-Index"));
    }

    [Theory]
    [InlineData("DELETE", 405, "method DELETE not allowed")]
    [InlineData("HEAD", 405, "")]
    [InlineData("OPTIONS", 200, "")]
    public async Task AnotherMethod_IsToldWhatIsAllowed(string method, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, "/v1/catalog/nodes");
        Assert.Equal((status, text, "OPTIONS,GET"), ((int)answer.Status, answer.Body, answer.Headers["Allow"]));
        Assert.Equal("OPTIONS,GET,PUT,DELETE", (await server.SendAsync("PATCH", "/v1/connect/intentions/exact")).Headers["Allow"]);
    }

    [Fact]
    public async Task ADoubledSlash_IsSentToTheCleanPath()
    {
        await using var server = await TestServer.StartAsync();
        using var handler = new HttpClientHandler { AllowAutoRedirect = false };
        using var http = new HttpClient(handler);
        using var response = await http.GetAsync(new Uri(server.Address, "/v1//catalog///nodes?pretty"), TestServer.Cancellation);
        Assert.Equal((HttpStatusCode.MovedPermanently, "/v1/catalog/nodes?pretty"), (response.StatusCode, response.Headers.Location!.OriginalString));
    }

    [Fact]
    public async Task ADoubledSlashElsewhere_IsSentNowhere()
    {
        await using var server = await TestServer.StartAsync();
        using var handler = new HttpClientHandler { AllowAutoRedirect = false };
        using var http = new HttpClient(handler);
        using var response = await http.GetAsync(new Uri(server.Address, "/%5Cexample.com//x?token=secret"), TestServer.Cancellation);
        Assert.Equal((HttpStatusCode.NotFound, null), (response.StatusCode, response.Headers.Location));
    }

    [Fact]
    public async Task AControlCharacterInThePath_Is400()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync("/v1/health/service/%01");
        Assert.Equal((HttpStatusCode.BadRequest, ""), (answer.Status, answer.Body));
    }

    [Fact]
    public async Task AWriteOfAWebPageOfElsewhere_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/v1/connect/intentions"));
        request.Headers.Add("Origin", "https://evil.example");
        request.Content = new StringContent("""{"SourceName":"*","DestinationName":"*","Action":"allow"}""");
        using var response = await server.Http.SendAsync(request, TestServer.Cancellation);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Empty(server.State.Intentions.ById);
    }
}
