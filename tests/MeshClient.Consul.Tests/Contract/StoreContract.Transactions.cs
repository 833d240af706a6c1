namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    [Fact]
    public async Task Transactions_OfKeys_AnswerAlike()
    {
        var answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"set","Key":"{{Prefix}}/1","Value":"dmFs","Flags":7}""", $$"""{"Verb":"get","Key":"{{Prefix}}/1"}"""));
        Assert.Equal(
            $$$"""{"Results":[{"KV":{"LockIndex":0,"Key":"{{{Prefix}}}/1","Flags":7,"Value":null,"CreateIndex":0,"ModifyIndex":0}},{"KV":{"LockIndex":0,"Key":"{{{Prefix}}}/1","Flags":7,"Value":"dmFs","CreateIndex":0,"ModifyIndex":0}}],"Errors":null}""",
            answer.Compact);
        answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"get-tree","Key":"{{Prefix}}"}"""));
        Assert.Equal(
            $$$"""{"Results":[{"KV":{"LockIndex":0,"Key":"{{{Prefix}}}/1","Flags":7,"Value":"dmFs","CreateIndex":0,"ModifyIndex":0}}],"Errors":null,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}""",
            answer.Compact);
        answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"delete","Key":"{{Prefix}}/9"}""", $$"""{"Verb":"delete-tree","Key":"{{Prefix}}"}"""));
        Assert.Equal("""{"Results":[],"Errors":null}""", answer.Compact);
        Assert.Equal("""{"Results":[],"Errors":null,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}""", (await PutAsync("/v1/txn", "[]")).Compact);
    }

    [Theory]
    [InlineData("cas", "k", ",\"Index\":1", "failed to set key \"K\", index is stale")]
    [InlineData("cas", "k", ",\"Index\":0", "failed to set key \"K\", index is stale")]
    [InlineData("check-index", "k", ",\"Index\":1", null)]
    [InlineData("check-index", "none", ",\"Index\":1", "failed to check index, key \"K\" doesn't exist")]
    [InlineData("check-not-exists", "k", "", "key \"K\" exists")]
    [InlineData("check-session", "k", ",\"Session\":\"x\"", "failed session check for key \"K\", current session \"\" != \"x\"")]
    [InlineData("get", "none", "", "key \"K\" doesn't exist")]
    [InlineData("delete-cas", "k", ",\"Index\":1", "failed to delete key \"K\", index is stale")]
    [InlineData("unlock", "k", ",\"Session\":\"x\"", "failed to unlock key \"K\", lock isn't held, or is held by another session")]
    [InlineData("lock", "k", ",\"Session\":\"00000000-0000-0000-0000-000000000000\"", "invalid session \"00000000-0000-0000-0000-000000000000\"")]
    [InlineData("bogus", "k", "", "unknown KV verb \"bogus\"")]
    public async Task Transactions_WithAFailedStep_DoNothingAndSayTheSame(string verb, string key, string more, string? problem)
    {
        await PutAsync($"/v1/kv/{Prefix}/k", "v");
        var full = $"{Prefix}/{key}";
        var answer = await PutAsync("/v1/txn", Steps($$"""{"Verb":"set","Key":"{{Prefix}}/other","Value":"dg=="}""", $$"""{"Verb":"{{verb}}","Key":"{{full}}"{{more}} }"""));
        Assert.Equal(409, answer.Status);
        var error = answer.Json.GetProperty("Errors")[0];
        Assert.Equal(1, error.GetProperty("OpIndex").GetInt32());
        if (problem is not null)
        {
            Assert.Equal(problem.Replace("\"K\"", $"\"{full}\"", StringComparison.Ordinal), error.GetProperty("What").GetString());
        }

        Assert.Equal(404, (await GetAsync($"/v1/kv/{Prefix}/other")).Status);
    }

    [Fact]
    public async Task Transactions_TooLong_AreRefusedInTheSameWords()
    {
        var steps = string.Join(",", Enumerable.Repeat($$$"""{"KV":{"Verb":"set","Key":"{{{Prefix}}}","Value":"dg=="}}""", 65));
        Assert.Equal((413, "Transaction contains too many operations (65 > 64)"), Plain(await PutAsync("/v1/txn", $"[{steps}]")));
        Assert.Equal((400, "Failed to parse body: unexpected EOF"), Plain(await PutAsync("/v1/txn", "{")));
    }

    [Fact]
    public async Task Transactions_OfTheCatalog_AnswerAlike()
    {
        var node = $"{Prefix}-n";
        var answer = await PutAsync("/v1/txn", $$$"""
            [{"Node":{"Verb":"set","Node":{"Node":"{{{node}}}","Address":"127.0.0.7"} } },
             {"Service":{"Verb":"set","Node":"{{{node}}}","Service":{"ID":"s","Service":"{{{Prefix}}}","Port":1} } },
             {"Check":{"Verb":"set","Check":{"Node":"{{{node}}}","CheckID":"c","Name":"c","Status":"passing","ServiceID":"s"} } },
             {"Check":{"Verb":"cas","Check":{"Node":"{{{node}}}","Name":"up"} } }]
            """);
        Assert.Equal(
            $$$"""{"Results":[{"Node":{"ID":"","Node":"{{{node}}}","Address":"127.0.0.7","Datacenter":"dc1","TaggedAddresses":null,"Meta":null,"CreateIndex":0,"ModifyIndex":0}},"""
            + $$$"""{"Service":{"ID":"s","Service":"{{{Prefix}}}","Tags":null,"Address":"","Meta":null,"Port":1,"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{},"CreateIndex":0,"ModifyIndex":0}},"""
            + $$$"""{"Check":{"Node":"{{{node}}}","CheckID":"c","Name":"c","Status":"passing","Notes":"","Output":"","ServiceID":"s","ServiceName":"{{{Prefix}}}","ServiceTags":null,"Type":"","Definition":{},"CreateIndex":0,"ModifyIndex":0}},"""
            + $$$"""{"Check":{"Node":"{{{node}}}","CheckID":"up","Name":"up","Status":"critical","Notes":"","Output":"","ServiceID":"","ServiceName":"","ServiceTags":null,"Type":"","Definition":{},"CreateIndex":0,"ModifyIndex":0}}],"Errors":null}""",
            answer.Compact);
        var index = answer.Json.GetProperty("Results")[1].GetProperty("Service").GetProperty("ModifyIndex").GetUInt64();
        answer = await PutAsync("/v1/txn", $$$"""
            [{"Service":{"Verb":"cas","Node":"{{{node}}}","Service":{"ID":"s","Service":"{{{Prefix}}}","Port":2,"Tags":["a"],"Meta":{"k":"v"},"ModifyIndex":{{{index}}}} } },
             {"Service":{"Verb":"get","Node":"{{{node}}}","Service":{"ID":"s"} } },
             {"Node":{"Verb":"get","Node":{"Node":"{{{node}}}"} } },
             {"Check":{"Verb":"delete-cas","Check":{"Node":"{{{node}}}","CheckID":"c","ModifyIndex":{{{index}}}} } },
             {"Check":{"Verb":"delete","Check":{"Node":"{{{node}}}","CheckID":"none"} } }]
            """);
        Assert.Equal(200, answer.Status);
        Assert.Equal(3, answer.Json.GetProperty("Results").GetArrayLength());
        Assert.Equal("""{"k":"v"}""", answer.Json.GetProperty("Results")[1].GetProperty("Service").GetProperty("Meta").GetRawText().Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));
        answer = await PutAsync("/v1/txn", $$$"""[{"Service":{"Verb":"delete","Node":"{{{node}}}","Service":{"ID":"s","Service":"{{{Prefix}}}"} } }, {"Node":{"Verb":"delete","Node":{"Node":"{{{node}}}"} } }]""");
        Assert.Equal("""{"Results":[],"Errors":null}""", answer.Compact);
        answer = await PutAsync("/v1/txn", $$$"""[{"Node":{"Verb":"get","Node":{"Node":"{{{node}}}"} } }]""");
        Assert.Equal(
            $$$"""{"Results":null,"Errors":[{"OpIndex":0,"What":"node \"{{{node}}}\" doesn't exist"}],"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}""",
            answer.Body.Replace("\n", "", StringComparison.Ordinal).Replace("    ", "", StringComparison.Ordinal).Replace("\": ", "\":", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"Node":{"Verb":"cas","Node":{"Node":"N","Address":"127.0.0.8","ModifyIndex":1}}}""", "failed to set node \"N\", index is stale")]
    [InlineData("""{"Node":{"Verb":"cas","Node":{"Node":"N","Address":"127.0.0.8"}}}""", "failed to set node \"N\", index is stale")]
    [InlineData("""{"Node":{"Verb":"delete-cas","Node":{"Node":"N","ModifyIndex":1}}}""", "failed to delete node \"N\", index is stale")]
    [InlineData("""{"Node":{"Verb":"delete-cas","Node":{"Node":"Nx","ModifyIndex":1}}}""", "failed to delete node \"Nx\", index is stale")]
    [InlineData("""{"Node":{"Verb":"get","Node":{"Node":"Nx"}}}""", "node \"Nx\" doesn't exist")]
    [InlineData("""{"Node":{"Verb":"bogus","Node":{"Node":"N"}}}""", "unknown Node verb \"bogus\"")]
    [InlineData("""{"Service":{"Verb":"set","Node":"Nx","Service":{"ID":"s","Service":"s"}}}""", "Missing node registration")]
    [InlineData("""{"Service":{"Verb":"cas","Node":"N","Service":{"ID":"s","Service":"s","ModifyIndex":1}}}""", "failed to set service \"s\" on node \"N\", index is stale")]
    [InlineData("""{"Service":{"Verb":"delete-cas","Node":"N","Service":{"ID":"s","Service":"s","ModifyIndex":1}}}""", "failed to delete service \"s\" on node \"N\", index is stale")]
    [InlineData("""{"Service":{"Verb":"get","Node":"N","Service":{"ID":"zz"}}}""", "service \"zz\" on node \"N\" doesn't exist")]
    [InlineData("""{"Service":{"Verb":"bogus","Node":"N","Service":{"ID":"s","Service":"s"}}}""", "unknown Service verb \"bogus\"")]
    [InlineData("""{"Check":{"Verb":"set","Check":{"Node":"Nx","CheckID":"c","Name":"c"}}}""", "Missing node registration")]
    [InlineData("""{"Check":{"Verb":"set","Check":{"Node":"N","CheckID":"c","Name":"c","ServiceID":"zz"}}}""", "Missing service registration")]
    [InlineData("""{"Check":{"Verb":"cas","Check":{"Node":"N","CheckID":"c","Name":"c","ModifyIndex":1}}}""", "failed to set check \"c\" on node \"N\", index is stale")]
    [InlineData("""{"Check":{"Verb":"delete-cas","Check":{"Node":"N","CheckID":"c","ModifyIndex":1}}}""", "failed to delete check \"c\" on node \"N\", index is stale")]
    [InlineData("""{"Check":{"Verb":"get","Check":{"Node":"N","CheckID":"zz"}}}""", "check \"zz\" on node \"N\" doesn't exist")]
    [InlineData("""{"Check":{"Verb":"bogus","Check":{"Node":"N","CheckID":"c"}}}""", "unknown Check verb \"bogus\"")]
    public async Task Transactions_OfTheCatalogWithAFailedStep_DoNothingAndSayTheSame(string step, string problem)
    {
        ArgumentNullException.ThrowIfNull(step);
        var node = $"{Prefix}-n";
        await PutAsync("/v1/txn", $$$"""[{"Node":{"Verb":"set","Node":{"Node":"{{{node}}}","Address":"127.0.0.7"} } }]""");
        var own = step.Replace("\"N", $"\"{node}", StringComparison.Ordinal).Replace($"\"{node}ode\"", "\"Node\"", StringComparison.Ordinal).Replace($"\"{node}ame\"", "\"Name\"", StringComparison.Ordinal);
        var answer = await PutAsync("/v1/txn", $$$"""[{"KV":{"Verb":"set","Key":"{{{Prefix}}}/other","Value":"dg=="} },{{{own}}}]""");
        Assert.Equal(409, answer.Status);
        var error = Assert.Single(answer.Json.GetProperty("Errors").EnumerateArray());
        Assert.Equal((1, problem?.Replace("\"N", $"\"{node}", StringComparison.Ordinal)), (error.GetProperty("OpIndex").GetInt32(), error.GetProperty("What").GetString()));
        Assert.Equal(404, (await GetAsync($"/v1/kv/{Prefix}/other")).Status);
    }

    [Theory]
    [InlineData("""{"Node":{"Verb":"set","Node":{"Node":"","Address":"127.0.0.7"}}}""", "Must provide node")]
    [InlineData("""{"Node":{"Verb":"set","Node":{"Node":"x","Address":"127.0.0.7","ID":"xx"}}}""", "Bad node ID: uuid string is wrong length")]
    [InlineData("""{"Service":{"Verb":"delete","Node":"x","Service":{"ID":"s"}}}""", "Must provide service name with ID")]
    public async Task Transactions_OfTheCatalogWithAWrongStep_SayTheSame(string step, string problem)
    {
        var answer = await PutAsync("/v1/txn", $"[{step}]");
        Assert.Equal((409, problem), (answer.Status, answer.Json.GetProperty("Errors")[0].GetProperty("What").GetString()));
    }

    private static string Steps(params string[] steps) => $"[{string.Join(",", steps.Select(step => $$"""{"KV":{{step}} }"""))}]";
}
