using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Transactions: all steps or none.</summary>
public sealed class TransactionApiTests
{
    [Fact]
    public async Task Steps_SeeThoseBeforeThemAndShareAnIndex()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync("/v1/txn", """[{"KV":{"Verb":"set","Key":"t/1","Value":"dmFs","Flags":7}},{"KV":{"Verb":"get","Key":"t/1"}}]""");
        var index = server.State.Index;
        Assert.Equal(
            $$$"""{"Results":[{"KV":{"LockIndex":0,"Key":"t/1","Flags":7,"Value":null,"CreateIndex":{{{index}}},"ModifyIndex":{{{index}}}}},{"KV":{"LockIndex":0,"Key":"t/1","Flags":7,"Value":"dmFs","CreateIndex":{{{index}}},"ModifyIndex":{{{index}}}}}],"Errors":null}""",
            answer.Body);
        answer = await server.PutAsync("/v1/txn", """[{"KV":{"Verb":"get-tree","Key":"t"}}]""");
        Assert.EndsWith(""","Errors":null,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}""", answer.Body, StringComparison.Ordinal);
        Assert.Equal(index, server.State.Index);
    }

    [Theory]
    [InlineData("""{"Verb":"cas","Key":"k","Value":"dg==","Index":1}""", "failed to set key \"k\", index is stale")]
    [InlineData("""{"Verb":"check-not-exists","Key":"k"}""", "key \"k\" exists")]
    [InlineData("""{"Verb":"get","Key":"nope"}""", "key \"nope\" doesn't exist")]
    [InlineData("""{"Verb":"check-index","Key":"nope"}""", "failed to check index, key \"nope\" doesn't exist")]
    [InlineData("""{"Verb":"delete-cas","Key":"k","Index":1}""", "failed to delete key \"k\", index is stale")]
    [InlineData("""{"Verb":"unlock","Key":"k","Session":"x"}""", "failed to unlock key \"k\", lock isn't held, or is held by another session")]
    [InlineData("""{"Verb":"lock","Key":"k","Session":"00000000-0000-0000-0000-000000000000"}""", "invalid session \"00000000-0000-0000-0000-000000000000\"")]
    [InlineData("""{"Verb":"check-session","Key":"k","Session":"x"}""", "failed session check for key \"k\", current session \"\" != \"x\"")]
    [InlineData("""{"Verb":"bogus","Key":"k"}""", "unknown KV verb \"bogus\"")]
    [InlineData("""{"Verb":"set","Key":"","Value":"dg=="}""", "Must provide key")]
    public async Task AFailedStep_UndoesAllAndSaysWhy(string step, string problem)
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/kv/k", "v");
        var before = server.State;
        var answer = await server.PutAsync("/v1/txn", $$$"""[{"KV":{"Verb":"set","Key":"other","Value":"dg=="}},{"KV":{{{step}}}}]""");
        Assert.Equal(HttpStatusCode.Conflict, answer.Status);
        var error = answer.Json.GetProperty("Errors")[0];
        Assert.Equal((1, problem), (error.GetProperty("OpIndex").GetInt32(), error.GetProperty("What").GetString()));
        Assert.Same(before, server.State);
    }

    [Fact]
    public async Task ALock_IsTakenAndLetGo()
    {
        await using var server = await TestServer.StartAsync();
        var session = (await server.PutAsync("/v1/session/create")).Json.GetProperty("ID").GetString();
        Assert.Equal(HttpStatusCode.OK, (await server.PutAsync("/v1/txn", $$$"""[{"KV":{"Verb":"lock","Key":"k","Session":"{{{session}}}"}},{"KV":{"Verb":"check-session","Key":"k","Session":"{{{session}}}"}}]""")).Status);
        Assert.Equal(session, server.State.Keys.Find("k")!.Session);
        Assert.Equal(HttpStatusCode.OK, (await server.PutAsync("/v1/txn", $$$"""[{"KV":{"Verb":"unlock","Key":"k","Session":"{{{session}}}"}},{"KV":{"Verb":"delete","Key":"k"}},{"KV":{"Verb":"check-not-exists","Key":"k"}}]""")).Status);
        Assert.Null(server.State.Keys.Find("k"));
    }

    [Fact]
    public async Task TooMuch_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        var step = """{"KV":{"Verb":"set","Key":"k","Value":"dg=="}}""";
        Assert.Equal(HttpStatusCode.OK, (await server.PutAsync("/v1/txn", $"[{string.Join(",", Enumerable.Repeat(step, 64))}]")).Status);
        var answer = await server.PutAsync("/v1/txn", $"[{string.Join(",", Enumerable.Repeat(step, 65))}]");
        Assert.Equal((413, "Transaction contains too many operations (65 > 64)"), ((int)answer.Status, answer.Body));
        Assert.Equal("Failed to parse body: unexpected EOF", (await server.PutAsync("/v1/txn", "{")).Body);
        Assert.Equal("[]", (await server.PutAsync("/v1/txn", "[]")).Json.GetProperty("Results").GetRawText());
    }

    [Fact]
    public async Task Watchers_OfEveryKeyWritten_Wake()
    {
        await using var server = await TestServer.StartAsync();
        var one = await server.ParkAsync("/v1/kv/a", (await server.GetAsync("/v1/kv/a")).Index);
        var below = await server.ParkAsync("/v1/kv/b/?keys", (await server.GetAsync("/v1/kv/b/?keys")).Index);
        var other = await server.ParkAsync("/v1/kv/c", (await server.GetAsync("/v1/kv/c")).Index);
        await server.PutAsync("/v1/txn", """[{"KV":{"Verb":"set","Key":"a","Value":""}},{"KV":{"Verb":"set","Key":"b/1","Value":""}},{"KV":{"Verb":"delete-tree","Key":"x"}}]""");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), ((await one).Status, (await below).Status));
        Assert.False(other.IsCompleted);
    }

    [Fact]
    public async Task StepsOfTheCatalog_WakeItsWatchersAndOutliveTheServer()
    {
        using var folder = new TemporaryFolder();
        await using (var server = await TestServer.StartAsync(options => options.DataDirectory = folder.Path))
        {
            var watch = await server.ParkAsync("/v1/health/service/db", (await server.GetAsync("/v1/health/service/db")).Index);
            await server.MustPutAsync("/v1/txn", """
                [{"Node":{"Verb":"set","Node":{"Node":"ext","Address":"10.0.0.1"}}},
                 {"Service":{"Verb":"set","Node":"ext","Service":{"ID":"db1","Service":"db","Port":5432}}},
                 {"Check":{"Verb":"set","Check":{"Node":"ext","CheckID":"up","Name":"up","Status":"passing","ServiceID":"db1"}}},
                 {"KV":{"Verb":"set","Key":"db","Value":"dg=="}}]
                """);
            Assert.Equal("10.0.0.1", (await watch).Json[0].GetProperty("Node").GetProperty("Address").GetString());
        }

        await using (var server = await TestServer.StartAsync(options => options.DataDirectory = folder.Path))
        {
            Assert.Single((await server.GetAsync("/v1/health/service/db?passing")).Json.EnumerateArray());
            var index = (await server.GetAsync("/v1/catalog/service/db")).Json[0].GetProperty("ModifyIndex").GetUInt64();
            var step = """[{"KV":{"Verb":"delete","Key":"db"}},{"Service":{"Verb":"delete-cas","Node":"ext","Service":{"ID":"db1","Service":"db","ModifyIndex":INDEX}}}]""";
            Assert.Equal(HttpStatusCode.Conflict, (await server.PutAsync("/v1/txn", step.Replace("INDEX", "1", StringComparison.Ordinal))).Status);
            Assert.NotNull(server.State.Keys.Find("db"));
            await server.MustPutAsync("/v1/txn", step.Replace("INDEX", index.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal));
            Assert.Equal("[]", (await server.GetAsync("/v1/health/service/db")).Body);
            Assert.Null(server.State.Keys.Find("db"));
        }
    }

    [Fact]
    public async Task StepsOfTheCatalog_OnTheServersOwnNode_AreTakenButNotThoseThatEndIt()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/txn", """[{"Service":{"Verb":"set","Node":"n1","Service":{"ID":"a","Service":"a"}}}]""");
        Assert.NotNull(server.State.Catalog.Instances["a"]);
        foreach (var step in (string[])["""{"Node":{"Verb":"delete","Node":{"Node":"n1"}}}""", """{"Check":{"Verb":"delete","Check":{"Node":"n1","CheckID":"serfHealth"}}}"""])
        {
            Assert.Equal(HttpStatusCode.Conflict, (await server.PutAsync("/v1/txn", $"[{step}]")).Status);
        }
    }

    [Fact]
    public async Task StepsOfTheCatalog_WithoutTheRight_AreDeniedAndReadsLeftOut()
    {
        await using var server = await TestServer.StartGuardedAsync();
        await server.MustPutAsync("/v1/txn", """[{"Node":{"Verb":"set","Node":{"Node":"ext","Address":"10.0.0.1"}}},{"Service":{"Verb":"set","Node":"ext","Service":{"ID":"db1","Service":"db"}}}]""");
        var before = server.State;
        server.Token = null;
        var denied = await server.PutAsync("/v1/txn", """
            [{"Node":{"Verb":"set","Node":{"Node":"ext","Address":"10.0.0.9"}}},
             {"Service":{"Verb":"delete","Node":"ext","Service":{"ID":"db1","Service":"db"}}},
             {"Check":{"Verb":"set","Check":{"Node":"ext","CheckID":"c","Name":"c"}}}]
            """);
        Assert.Equal(HttpStatusCode.Conflict, denied.Status);
        Assert.Equal(
            [(0, "Permission denied"), (1, "Permission denied"), (2, "Permission denied")],
            denied.Json.GetProperty("Errors").EnumerateArray().Select(error => (error.GetProperty("OpIndex").GetInt32(), error.GetProperty("What").GetString()!)));
        Assert.Same(before, server.State);
        var read = await server.PutAsync("/v1/txn", """[{"Node":{"Verb":"get","Node":{"Node":"ext"}}},{"Service":{"Verb":"get","Node":"ext","Service":{"ID":"db1"}}}]""");
        Assert.Equal("[]", read.Json.GetProperty("Results").GetRawText());
    }

    [Theory]
    [InlineData("""{"Session":{}}""", "json: unknown field \"Session\"")]
    [InlineData("""{"Node":{"Verb":"get","Nope":1}}""", "json: unknown field \"Nope\"")]
    [InlineData("{}", "an operation has to be one of KV, Node, Service and Check")]
    [InlineData("""{"KV":{"Verb":"get","Key":"k"},"Node":{"Verb":"get"}}""", "an operation has to be one of KV, Node, Service and Check")]
    public async Task AStepOfNoKind_IsRefused(string step, string problem)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PutAsync("/v1/txn", $"[{step}]");
        Assert.Equal((HttpStatusCode.BadRequest, "Failed to parse body: " + problem), (answer.Status, answer.Body));
    }
}
