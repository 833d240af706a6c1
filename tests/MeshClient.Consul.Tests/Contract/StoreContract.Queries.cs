namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Query_FromItsMakingToItsEnd_AnswersAlike()
    {
        foreach (var (i, status) in new[] { (1, "passing"), (2, "warning"), (3, "critical") })
        {
            await PutAsync("/v1/agent/service/register", $$"""{"ID":"{{Prefix}}{{i}}","Name":"{{Prefix}}","Port":1,"Tags":["t"],"Check":{"CheckID":"{{Prefix}}c{{i}}","TTL":"30m","Status":"{{status}}"} }""");
        }

        var body = Own("""{"Name":"{p}q","Service":{"Service":"{p}","Tags":["T","!zz"],"NodeMeta":{}},"DNS":{"TTL":"10s"}}""");
        var created = await SendAsync("POST", "/v1/query", body);
        var id = created.Json.GetProperty("ID").GetString();
        Assert.Equal(
            $$$"""[{"ID":"{{{id}}}","Name":"{{{Prefix}}}q","Session":"","Token":"","Template":{"Type":"","Regexp":"","RemoveEmptyTags":false},"Service":{"Service":"{{{Prefix}}}","Failover":{"NearestN":0,"Datacenters":null},"OnlyPassing":false,"IgnoreCheckIDs":null,"Near":"","Tags":["T","!zz"],"NodeMeta":{},"ServiceMeta":null,"Connect":false},"DNS":{"TTL":"10s"},"CreateIndex":0,"ModifyIndex":0}]""",
            (await GetAsync($"/v1/query/{id}")).Compact);
        Assert.Equal((RefusedStatus, $"name '{Prefix.ToUpperInvariant()}Q' aliases an existing query name"), Plain(await SendAsync("POST", "/v1/query", body.Replace(Prefix + "q", Prefix.ToUpperInvariant() + "Q", StringComparison.Ordinal))));

        var executed = await GetAsync($"/v1/query/{Prefix}q/execute");
        Assert.Equal([Prefix + "1", Prefix + "2"], Ids(executed));
        Assert.Equal((1UL, "leader", "dc1", 0), (executed.Index!.Value, executed.Json.GetProperty("ConsistencyLevel").GetString(), executed.Json.GetProperty("Datacenter").GetString(), executed.Json.GetProperty("Failovers").GetInt32()));
        Assert.Single(Ids(await GetAsync($"/v1/query/{id}/execute?limit=1&near=_agent")));
        Assert.Equal(id, (await GetAsync($"/v1/query/{Prefix}q/explain")).Json.GetProperty("Query").GetProperty("ID").GetString());

        Assert.Equal((200, ""), Plain(await PutAsync($"/v1/query/{id}", Own("""{"Name":"{p}q2","Service":{"Service":"{p}","OnlyPassing":true,"IgnoreCheckIDs":["{p}c3"]}}"""))));
        Assert.Equal([Prefix + "1", Prefix + "3"], Ids(await GetAsync($"/v1/query/{Prefix}q2/execute")));
        Assert.Equal((404, "Query not found"), Plain(await GetAsync($"/v1/query/{Prefix}q/execute")));
        Assert.Equal((200, ""), Plain(await SendAsync("DELETE", $"/v1/query/{id}")));
        Assert.Equal((Differing(KnownDifferences.WrongInputIsTheCallers, 500, 404), $"Cannot modify non-existent prepared query: '{id}'"), Plain(await SendAsync("DELETE", $"/v1/query/{id}")));
    }

    [Theory]
    [InlineData("""{"Service":{"Service":"api"}}""", "Invalid prepared query: Must be bound to a session", false)]
    [InlineData("""{"Name":"x"}""", "Invalid prepared query: Must provide a Service name to query", false)]
    [InlineData("""{"Name":"x","Service":{"Service":"api","Failover":{"NearestN":-1}}}""", "Invalid prepared query: Bad NearestN '-1', must be >= 0", false)]
    [InlineData("""{"Name":"x","Service":{"Service":"api"},"DNS":{"TTL":"x"}}""", "Invalid prepared query: Bad DNS TTL 'x': time: invalid duration \"x\"", false)]
    [InlineData("""{"Name":"x","Service":{"Service":"api"},"DNS":{"TTL":"-1s"}}""", "Invalid prepared query: DNS TTL '-1000000000', must be >=0", false)]
    [InlineData("""{"ID":"x","Name":"x","Service":{"Service":"api"}}""", "ID must be empty when creating a new prepared query", false)]
    [InlineData("{", "Request decode failed: unexpected EOF", true)]
    [InlineData("[]", "Request decode failed: json: cannot unmarshal array into Go value of type structs.PreparedQuery", true)]
    [InlineData("""{"Name":"x","Service":{"Service":"a","Zed":1}}""", "Request decode failed: json: unknown field \"Zed\"", true)]
    public async Task Query_OfSomethingWrong_IsRefusedInTheSameWords(string body, string text, bool isUndecoded) =>
        Assert.Equal((isUndecoded ? 400 : RefusedStatus, text), Plain(await SendAsync("POST", "/v1/query", body)));

    [Theory]
    [InlineData("/v1/query/nope", "failed prepared query lookup: index error: UUID must be 36 characters")]
    [InlineData("/v1/query/nope/execute?limit=x", "Bad limit: strconv.Atoi: parsing \"x\": invalid syntax")]
    [InlineData("/v1/query/nope/execute?connect=x", "Error parsing 'connect' value: strconv.ParseBool: parsing \"x\": invalid syntax")]
    public async Task Query_AskedForWrongly_IsRefusedInTheSameWords(string path, string text) =>
        Assert.Equal((RefusedStatus, text), Plain(await GetAsync(path)));

    [Theory]
    [InlineData("""{"Name":"{p}","Service":{"Service":"a"},"Token":"secret"}""")]
    [InlineData("""{"Name":"{p}","Service":{"Service":"a"},"Template":{"Type":"name_prefix_match"}}""")]
    public async Task Query_OfWhatIsLeftOut_IsRefusedByOurs(string body)
    {
        var answer = await SendAsync("POST", "/v1/query", Own(body));
        Assert.Equal(Differing(KnownDifferences.QueriesAreBasic, 200, 400), answer.Status);
        if (IsConsul)
        {
            await SendAsync("DELETE", $"/v1/query/{answer.Json.GetProperty("ID").GetString()}");
        }
    }

    private static IEnumerable<string> Ids(StoreAnswer answer) => answer.Json.GetProperty("Nodes").EnumerateArray()
        .Select(entry => entry.GetProperty("Service").GetProperty("ID").GetString()!).Order(StringComparer.Ordinal);
}
