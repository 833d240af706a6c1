using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>query*, with the texts of the captures. What Consul answers by 500 is 400 or 404 here.</summary>
public sealed class QueryApiTests
{
    private const string Nobody = "00000000-0000-0000-0000-000000000000";
    private const string NoId = "failed prepared query lookup: index error: UUID must be 36 characters";

    [Fact]
    public async Task Query_FromItsMakingToItsEnd_IsConsuls()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("[]", (await server.GetAsync("/v1/query")).Body);
        var id = await CreateAsync(server, """{"Name":"api-q","Service":{"Service":"api","Tags":["http","!zz"],"Near":"_agent","Failover":{"NearestN":2,"Datacenters":["dc2"]},"NodeMeta":{},"ServiceMeta":{"version":"v1"}},"DNS":{"TTL":"10s"}}""");
        var list = await server.GetAsync("/v1/query");
        var expected = $$"""{"ID":"{{id}}","Name":"api-q","Session":"","Token":"","Template":{"Type":"","Regexp":"","RemoveEmptyTags":false},"Service":{"Service":"api","Failover":{"NearestN":2,"Datacenters":["dc2"]},"OnlyPassing":false,"IgnoreCheckIDs":null,"Near":"_agent","Tags":["http","!zz"],"NodeMeta":{},"ServiceMeta":{"version":"v1"},"Connect":false},"DNS":{"TTL":"10s"},"CreateIndex":{{list.Index}},"ModifyIndex":{{list.Index}} }""".Replace(" }", "}", StringComparison.Ordinal);
        Assert.Equal($"[{expected}]", list.Body);
        Assert.Equal($"[{expected}]", (await server.GetAsync($"/v1/query/{id}")).Body);
        Assert.Equal($$"""{"Query":{{expected}},"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":"leader"}""", (await server.GetAsync("/v1/query/API-Q/explain")).Body);

        await server.MustPutAsync($"/v1/query/{id}", """{"Name":"api-q2","Service":{"Service":"api"}}""");
        var changed = await server.GetAsync($"/v1/query/{id}");
        Assert.True(changed.Index > list.Index);
        Assert.Contains($$"""null,"Near":"","Tags":null,"NodeMeta":null,"ServiceMeta":null,"Connect":false},"DNS":{"TTL":""},"CreateIndex":{{list.Index}},"ModifyIndex":{{changed.Index}}""", changed.Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/v1/query/api-q/execute")).Status);
        Assert.Equal((HttpStatusCode.OK, ""), Short(await server.SendAsync("DELETE", $"/v1/query/{id}")));
        Assert.Equal((HttpStatusCode.NotFound, $"Cannot modify non-existent prepared query: '{id}'"), Short(await server.SendAsync("DELETE", $"/v1/query/{id}")));
        Assert.Equal("[]", (await server.GetAsync("/v1/query")).Body);
    }

    [Theory]
    [InlineData("""{"Service":{"Service":"api"}}""", "Invalid prepared query: Must be bound to a session")]
    [InlineData("{}", "Invalid prepared query: Must be bound to a session")]
    [InlineData("""{"Name":"x"}""", "Invalid prepared query: Must provide a Service name to query")]
    [InlineData("""{"Name":"x","Service":{"Service":"api","Failover":{"NearestN":-1}}}""", "Invalid prepared query: Bad NearestN '-1', must be >= 0")]
    [InlineData("""{"Name":"x","Service":{"Service":"api"},"DNS":{"TTL":"x"}}""", "Invalid prepared query: Bad DNS TTL 'x': time: invalid duration \"x\"")]
    [InlineData("""{"Name":"x","Service":{"Service":"api"},"DNS":{"TTL":"-1s"}}""", "Invalid prepared query: DNS TTL '-1000000000', must be >=0")]
    [InlineData("""{"Name":"x","Service":{"Service":"api","NodeMeta":{"":"x"}}}""", "Invalid prepared query: Couldn't load metadata pair ('', 'x'): Key cannot be blank")]
    [InlineData("""{"ID":"x","Name":"x","Service":{"Service":"api"}}""", "ID must be empty when creating a new prepared query")]
    [InlineData("""{"Name":"TAKEN","Service":{"Service":"api"}}""", "name 'TAKEN' aliases an existing query name")]
    [InlineData("""{"Name":"x","Service":{"Service":"api"},"Token":"t"}""", "Token is not supported: a query is executed with the rights of its caller")]
    [InlineData("""{"Name":"x","Service":{"Service":"api"},"Session":"s"}""", "Session is not supported: a query lives until it is deleted, and not as long as a session")]
    [InlineData("""{"Name":"x","Service":{"Service":"api"},"Template":{"Type":"name_prefix_match"}}""", "Type is not supported: queries are looked up by their exact name")]
    [InlineData("{", "Request decode failed: unexpected EOF")]
    [InlineData("[]", "Request decode failed: json: cannot unmarshal array into Go value of type structs.PreparedQuery")]
    [InlineData("""{"Name":"x","Service":{"Service":"a"},"Zed":1}""", "Request decode failed: json: unknown field \"Zed\"")]
    [InlineData("""{"Name":"x","Service":{"Service":"a","Zed":1}}""", "Request decode failed: json: unknown field \"Zed\"")]
    public async Task Create_OfSomethingWrong_IsRefusedInConsulsWords(string body, string text)
    {
        await using var server = await TestServer.StartAsync();
        await CreateAsync(server, """{"Name":"taken","Service":{"Service":"api"}}""");
        Assert.Equal((HttpStatusCode.BadRequest, text), Short(await server.PostAsync("/v1/query", body)));
    }

    [Theory]
    [InlineData("GET", "/v1/query/nope", 400, NoId)]
    [InlineData("GET", "/v1/query/", 400, NoId)]
    [InlineData("GET", "/v1/query/nope/else", 400, NoId)]
    [InlineData("GET", "/v1/query/" + Nobody, 404, "Query not found")]
    [InlineData("GET", "/v1/query/nope/execute", 404, "Query not found")]
    [InlineData("GET", "/v1/query/nope/explain", 404, "Query not found")]
    [InlineData("PUT", "/v1/query/nope", 400, "Prepared Query lookup failed: " + NoId)]
    [InlineData("PUT", "/v1/query/" + Nobody, 404, "Cannot modify non-existent prepared query: '" + Nobody + "'")]
    [InlineData("DELETE", "/v1/query/nope", 400, "Prepared Query lookup failed: " + NoId)]
    [InlineData("PUT", "/v1/query", 405, "method PUT not allowed")]
    [InlineData("GET", "/v1/query/q/execute?limit=x", 400, "Bad limit: strconv.Atoi: parsing \"x\": invalid syntax")]
    [InlineData("GET", "/v1/query/q/execute?connect=x", 400, "Error parsing 'connect' value: strconv.ParseBool: parsing \"x\": invalid syntax")]
    [InlineData("GET", "/v1/query/q/execute?dc=zz", 500, "No path to datacenter")]
    public async Task Calls_OfSomethingElse_AnswerInConsulsWords(string method, string path, int status, string text)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, path, method == "PUT" ? """{"Name":"z","Service":{"Service":"api"}}""" : null);
        Assert.Equal((status, text), ((int)answer.Status, answer.Body));
    }

    [Theory]
    [InlineData("""{"Service":"api"}""", "", "api1,api2")]
    [InlineData("""{"Service":"API","OnlyPassing":true}""", "", "api1")]
    [InlineData("""{"Service":"api","IgnoreCheckIDs":["c3"]}""", "", "api1,api2,api3")]
    [InlineData("""{"Service":"api","Tags":["!V2","HTTP"]}""", "", "api1,api2")]
    [InlineData("""{"Service":"api","Tags":["v2"],"IgnoreCheckIDs":["c3"]}""", "", "api3")]
    [InlineData("""{"Service":"api","ServiceMeta":{"version":"v2"},"IgnoreCheckIDs":["c3"]}""", "", "api3")]
    [InlineData("""{"Service":"api","ServiceMeta":{"nosuch":""}}""", "", "")]
    [InlineData("""{"Service":"api","NodeMeta":{"consul-network-segment":""}}""", "?near=_agent", "api1,api2")]
    [InlineData("""{"Service":"api","NodeMeta":{"x":"y"}}""", "", "")]
    [InlineData("""{"Service":"none"}""", "", "")]
    [InlineData("""{"Service":"native"}""", "?connect", "n1")]
    [InlineData("""{"Service":"native","Connect":true}""", "?stale&limit=5", "n1")]
    [InlineData("""{"Service":"api","Connect":true}""", "", "")]
    public async Task Execute_OfAQuery_FindsWhatConsulFinds(string service, string query, string ids)
    {
        await using var server = await StartAsync();
        await CreateAsync(server, $$"""{"Name":"q","DNS":{"TTL":"5s"},"Service":{{service}} }""");
        var answer = await server.GetAsync($"/v1/query/q/execute{query}");
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(ids, string.Join(',', Ids(answer).Order(StringComparer.Ordinal)));
        Assert.Equal(1UL, answer.Index);
        Assert.Equal(
            ("dc1", 0, """{"TTL":"5s"}""", query.Contains("stale", StringComparison.Ordinal) ? "stale" : "leader"),
            (answer.Json.GetProperty("Datacenter").GetString(), answer.Json.GetProperty("Failovers").GetInt32(),
                answer.Json.GetProperty("DNS").GetRawText(), answer.Json.GetProperty("ConsistencyLevel").GetString()));
    }

    [Fact]
    public async Task Execute_WithALimit_GivesAsManyInARandomOrder()
    {
        await using var server = await StartAsync();
        await CreateAsync(server, """{"Name":"q","Service":{"Service":"api"}}""");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 100; i++)
        {
            seen.Add(Assert.Single(Ids(await server.GetAsync("/v1/query/q/execute?limit=1"))));
        }

        Assert.Equal(2, seen.Count);
    }

    [Fact]
    public async Task Watch_OfTheList_WakesForAChange()
    {
        await using var server = await TestServer.StartAsync();
        var watch = await server.ParkAsync("/v1/query", (await server.GetAsync("/v1/query")).Index);
        await CreateAsync(server, """{"Name":"q","Service":{"Service":"api"}}""");
        Assert.Equal(1, (await watch).Json.GetArrayLength());
    }

    private static (HttpStatusCode Status, string Body) Short(Answer answer) => (answer.Status, answer.Body);

    private static IEnumerable<string> Ids(Answer answer) =>
        answer.Json.GetProperty("Nodes").EnumerateArray().Select(entry => entry.GetProperty("Service").GetProperty("ID").GetString()!);

    private static async Task<string> CreateAsync(TestServer server, string body)
    {
        var answer = await server.PostAsync("/v1/query", body);
        Assert.True(answer.Status == HttpStatusCode.OK, $"{body}: {answer.Body}");
        return answer.Json.GetProperty("ID").GetString()!;
    }

    private static async Task<TestServer> StartAsync()
    {
        var server = await TestServer.StartAsync();
        foreach (var (i, version, status) in new[] { (1, "v1", "passing"), (2, "v1", "warning"), (3, "v2", "critical") })
        {
            await server.MustPutAsync("/v1/agent/service/register", $$"""{"ID":"api{{i}}","Name":"api","Port":{{9100 + i}},"Tags":["{{version}}","http"],"Meta":{"version":"{{version}}"},"Check":{"CheckID":"c{{i}}","TTL":"30m","Status":"{{status}}"} }""");
        }

        await server.MustPutAsync("/v1/agent/service/register", """{"ID":"n1","Name":"native","Port":1,"Connect":{"Native":true}}""");
        return server;
    }
}
