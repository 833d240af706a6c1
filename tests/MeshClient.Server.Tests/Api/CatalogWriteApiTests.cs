using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>Nodes and what is on them, written by somebody else than their agents.</summary>
public sealed class CatalogWriteApiTests
{
    private const string Ext1 = """{"Node":"ext1","Address":"127.0.0.9","NodeMeta":{"external-node":"true"}""";

    [Fact]
    public async Task Register_OfANodeServiceAndCheck_GivesThemBackAsConsulDoes()
    {
        await using var server = await TestServer.StartAsync();
        await RegisterAsync(server, Ext1 + """
            ,"ID":"aaaaaaaa-2222-3333-4444-555555555555","TaggedAddresses":{"lan":"127.0.0.9","wan":"127.0.0.9"},
            "Service":{"ID":"ext-api","Service":"ext-api","Port":81,"Tags":["e"],"Meta":{"m":"1"},"Weights":{"Passing":3,"Warning":1},"Connect":{"Native":true}},
            "Check":{"Node":"ext1","CheckID":"service:ext-api","Name":"c","Status":"passing","ServiceID":"ext-api","Output":"o",
            "Definition":{"TCP":"127.0.0.9:81","Interval":"5s","Timeout":"1s","DeregisterCriticalServiceAfter":"30s"}}}
            """);
        await RegisterAsync(server, Ext1 + ""","SkipNodeUpdate":true,"Checks":[{"CheckID":"c1","Name":"c1","Status":"warning"},{"CheckID":"c2","Name":"c2","Status":"critical","ServiceID":"ext-api"}]}""");
        await RegisterAsync(server, Ext1 + ""","Service":{"Service":"noid","Port":1}}""");
        var node = await server.GetAsync("/v1/catalog/node/EXT1");
        var (head, services) = (node.Json.GetProperty("Node"), node.Json.GetProperty("Services"));
        Assert.Equal("aaaaaaaa-2222-3333-4444-555555555555", head.GetProperty("ID").GetString());
        Assert.Equal("""{"external-node":"true"}""", head.GetProperty("Meta").GetRawText());
        Assert.Equal("null", head.GetProperty("TaggedAddresses").GetRawText());
        Assert.Equal("dc1", head.GetProperty("Datacenter").GetString());
        Assert.Equal(["ext-api", "noid"], services.EnumerateObject().Select(service => service.Name));
        Assert.Equal("", services.GetProperty("ext-api").GetProperty("Address").GetString());
        Assert.Equal("""{"Passing":3,"Warning":1}""", services.GetProperty("ext-api").GetProperty("Weights").GetRawText());

        var checks = (await server.GetAsync("/v1/health/node/ext1")).Json;
        Assert.Equal(["c1 ", "c2 ext-api", "service:ext-api ext-api"], checks.EnumerateArray().Select(check => $"{check.GetProperty("CheckID")} {check.GetProperty("ServiceID")}"));
        Assert.Equal("tcp", checks[2].GetProperty("Type").GetString());
        Assert.Equal(
            """{"Interval":"5s","Timeout":"1s","DeregisterCriticalServiceAfter":"30s","TCP":"127.0.0.9:81"}""",
            checks[2].GetProperty("Definition").GetRawText());
        Assert.Equal("{}", checks[0].GetProperty("Definition").GetRawText());

        // An external node has no agent, so its services have no sign of life of one.
        var health = (await server.GetAsync("/v1/health/connect/ext-api")).Json[0];
        Assert.Equal(["c1", "c2", "service:ext-api"], health.GetProperty("Checks").EnumerateArray().Select(check => check.GetProperty("CheckID").GetString()));
        Assert.Equal("127.0.0.9", health.GetProperty("Node").GetProperty("Address").GetString());
        Assert.Equal("[]", (await server.GetAsync("/v1/health/service/ext-api?passing")).Body);
    }

    [Theory]
    [InlineData("register", """{"Node":"x"}""", "Must provide address if SkipNodeUpdate is not set")]
    [InlineData("register", """{"Address":"127.0.0.9"}""", "Must provide node")]
    [InlineData("register", "{", "Request decode failed: unexpected EOF")]
    [InlineData("register", Ext1 + ""","Foo":1}""", "Request decode failed: json: unknown field \"Foo\"")]
    [InlineData("register", Ext1 + ""","ID":"short"}""", "Bad node ID: uuid string is wrong length")]
    [InlineData("register", Ext1 + ""","ID":"aaaaaaaa-2222-3333-4444-55555555555x"}""", "Bad node ID: uuid is improperly formatted")]
    [InlineData("register", Ext1 + ""","Service":{"ID":"x"}}""", "Must provide service name with ID")]
    [InlineData("register", Ext1 + ""","Check":{"CheckID":"c9","Name":"x","Status":"bogus"}}""", "Invalid check status: 'bogus'")]
    [InlineData("register", Ext1 + ""","Check":{"Node":"other","CheckID":"c9","Name":"x","Status":"passing"}}""", "check node \"other\" does not match node \"ext1\"")]
    [InlineData("register", Ext1 + ""","Check":{"CheckID":"c9","Name":"x","Status":"passing","ServiceID":"gone"}}""", "failed inserting check: Missing service registration on node \"ext1\"")]
    [InlineData("register", """{"Node":"n1","Address":"127.0.0.1","ID":"aaaaaaaa-2222-3333-4444-555555555555"}""", null)]
    [InlineData("deregister", """{"ServiceID":"x"}""", "Must provide node")]
    [InlineData("deregister", "x", "Request decode failed: invalid character 'x' looking for beginning of value")]
    [InlineData("deregister", """{"Node":"N1"}""", "The node \"n1\" is the server's own and cannot be removed")]
    [InlineData("deregister", """{"Node":"n1","CheckID":"serfHealth"}""", "The check \"serfHealth\" of the server's own node cannot be removed")]
    public async Task Write_OfSomethingWrong_IsRefusedAndChangesNothing(string call, string body, string? text)
    {
        await using var server = await TestServer.StartAsync();
        var before = server.State;
        var answer = await server.PutAsync($"/v1/catalog/{call}", body);
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.True(text is null ? answer.Body.StartsWith("Node name n1 is reserved by node ", StringComparison.Ordinal) : text == answer.Body, answer.Body);
        Assert.Same(before, server.State);
    }

    [Fact]
    public async Task Write_ToAnotherDatacenter_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (path, body) in new[] { ("/v1/catalog/register", Ext1 + ""","Datacenter":"dc9"}"""), ("/v1/catalog/deregister?dc=dc9", """{"Node":"ext1"}""") })
        {
            var answer = await server.PutAsync(path, body);
            Assert.Equal((HttpStatusCode.InternalServerError, "No path to datacenter"), (answer.Status, answer.Body));
        }
    }

    // python-consul writes lower case and sends its token along; what was read from the catalog can be written again.
    [Fact]
    public async Task Register_InOtherSpellings_IsTaken()
    {
        await using var server = await TestServer.StartAsync();
        await RegisterAsync(server, """{"node":"ext1","address":"127.0.0.9","service":{"service":"a","id":"a1","tags":["t"],"port":1},"check":{"name":"c","status":"passing","service_id":"a1"},"WriteRequest":{"Token":"x"}}""");
        await RegisterAsync(server, """{"Node":"ext1","Address":"127.0.0.9","Service":{"ID":"a1","Service":"a","CreateIndex":5,"ModifyIndex":6,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{}}}""");
        Assert.Equal("c", (await server.GetAsync("/v1/health/checks/a")).Json[0].GetProperty("CheckID").GetString());
    }

    [Fact]
    public async Task Register_OfTheSameAgain_MovesNoIndexAndWakesNobody()
    {
        await using var server = await TestServer.StartAsync();
        const string body = Ext1 + ""","Service":{"Service":"a"},"Check":{"CheckID":"c","Status":"passing","ServiceID":"a"}}""";
        await RegisterAsync(server, body);
        var before = server.State;
        await RegisterAsync(server, body);
        Assert.Same(before, server.State);
    }

    [Fact]
    public async Task Register_OfANodeIdUnderAnotherName_RenamesTheNode()
    {
        await using var server = await TestServer.StartAsync();
        const string id = """ "ID":"aaaaaaaa-2222-3333-4444-555555555555" """;
        await RegisterAsync(server, Ext1 + "," + id + ""","Service":{"Service":"a"}}""");
        await RegisterAsync(server, """{"Node":"ext2","Address":"127.0.0.8",""" + id + "}");
        Assert.Equal(["ext2", "n1"], (await server.GetAsync("/v1/catalog/nodes")).Json.EnumerateArray().Select(node => node.GetProperty("Node").GetString()));
        Assert.Equal("{}", (await server.GetAsync("/v1/catalog/services")).Body);
    }

    [Fact]
    public async Task Deregister_OfACheckAServiceAndTheNode_TakesEachWithWhatIsOnIt()
    {
        await using var server = await TestServer.StartAsync();
        await RegisterAsync(server, Ext1 + ""","Service":{"Service":"a"},"Checks":[{"CheckID":"c1"},{"CheckID":"c2","ServiceID":"a"}]}""");
        await DeregisterAsync(server, """{"Node":"ext1","CheckID":"c1"}""");
        Assert.Equal(1, (await server.GetAsync("/v1/health/node/ext1")).Json.GetArrayLength());
        await DeregisterAsync(server, """{"Node":"ext1","ServiceID":"gone"}""");
        await DeregisterAsync(server, """{"Node":"gone"}""");
        await DeregisterAsync(server, """{"Node":"ext1","ServiceID":"a"}""");
        Assert.Equal("[]", (await server.GetAsync("/v1/health/node/ext1")).Body);
        Assert.Equal(2, (await server.GetAsync("/v1/catalog/nodes")).Json.GetArrayLength());
        await RegisterAsync(server, Ext1 + ""","Service":{"Service":"a"}}""");
        await DeregisterAsync(server, """{"Node":"ext1"}""");
        Assert.Equal("null", (await server.GetAsync("/v1/catalog/node/ext1")).Body);
        Assert.Equal("""{"Node":null,"Services":null}""", (await server.GetAsync("/v1/catalog/node-services/ext1")).Body);
        Assert.Equal("{}", (await server.GetAsync("/v1/catalog/services")).Body);
        Assert.Equal(["n1"], server.State.Catalog.Nodes.Keys);
    }

    [Fact]
    public async Task Services_OfSeveralNodes_AreTogetherInOneList()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await RegisterAsync(server, """{"Node":"b","Address":"127.0.0.8","NodeMeta":{"zone":"z"},"Service":{"ID":"web","Service":"Web"}}""");
        await RegisterAsync(server, """{"Node":"c","Address":"127.0.0.7","Service":{"ID":"web","Service":"web"}}""");
        Assert.Equal(["b", "c", "n1"], (await server.GetAsync("/v1/catalog/service/web")).Json.EnumerateArray().Select(entry => entry.GetProperty("Node").GetString()));
        Assert.Equal(["b"], (await server.GetAsync("/v1/health/service/web?node-meta=zone:z")).Json.EnumerateArray().Select(entry => entry.GetProperty("Node").GetProperty("Node").GetString()));
        Assert.Equal("""{"web":[]}""", (await server.GetAsync("/v1/catalog/services?node-meta=zone:z")).Body);
        Assert.Equal("{}", (await server.GetAsync("/v1/catalog/services?node-meta=zone:y")).Body);
        Assert.Equal(1, (await server.GetAsync("/v1/catalog/nodes?filter=Meta.zone==z")).Json.GetArrayLength());
        Assert.Equal(["web"], (await server.GetAsync("/v1/agent/services")).Json.EnumerateObject().Select(service => service.Name));
        await DeregisterAsync(server, """{"Node":"b"}""");
        Assert.Equal(["c", "n1"], (await server.GetAsync("/v1/catalog/service/web")).Json.EnumerateArray().Select(entry => entry.GetProperty("Node").GetString()));
    }

    [Fact]
    public async Task Watch_OfAService_WakesForItsNodesAndNotForOthers()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("other");
        await RegisterAsync(server, Ext1 + ""","Service":{"Service":"a"}}""");
        var index = (await server.GetAsync("/v1/health/service/a")).Index;
        var parked = await server.ParkAsync("/v1/health/service/a", index);
        await server.MustPutAsync("/v1/agent/check/register", """{"Name":"disk","TTL":"10m"}""");
        await server.MustPutAsync("/v1/agent/service/deregister/other");
        await RegisterAsync(server, """{"Node":"ext2","Address":"127.0.0.8","Check":{"CheckID":"c"}}""");
        Assert.Equal(index, (await server.GetAsync("/v1/health/service/a")).Index);
        Assert.False(parked.IsCompleted);
        await RegisterAsync(server, Ext1 + ""","Check":{"CheckID":"c","Status":"warning"}}""");
        var woken = await parked;
        Assert.True(woken.Index > index);

        // So does a change of the node itself.
        parked = await server.ParkAsync("/v1/health/service/a", woken.Index);
        await RegisterAsync(server, """{"Node":"ext1","Address":"127.0.0.10"}""");
        Assert.Equal("127.0.0.10", (await parked).Json[0].GetProperty("Node").GetProperty("Address").GetString());
    }

    [Fact]
    public async Task Watch_OfNodesAndOfOneNode_WakesForEachAsItShould()
    {
        await using var server = await TestServer.StartAsync();
        var nodes = await server.ParkAsync("/v1/catalog/nodes", (await server.GetAsync("/v1/catalog/nodes")).Index);
        var node = await server.ParkAsync("/v1/catalog/node/ext1", (await server.GetAsync("/v1/catalog/node/ext1")).Index);
        var other = await server.ParkAsync("/v1/catalog/node/n1", (await server.GetAsync("/v1/catalog/node/n1")).Index);
        await RegisterAsync(server, Ext1 + "}");
        Assert.Equal(2, (await nodes).Json.GetArrayLength());
        var first = await node;
        node = await server.ParkAsync("/v1/catalog/node/ext1", first.Index);
        nodes = await server.ParkAsync("/v1/catalog/nodes", (await nodes).Index);
        await RegisterAsync(server, Ext1 + ""","Service":{"Service":"a"}}""");
        Assert.True((await node).Index > first.Index);
        Assert.False(other.IsCompleted);
        Assert.False(nodes.IsCompleted);
        await server.StopAsync();
    }

    [Fact]
    public async Task Nodes_AfterARestart_AreThereAgain()
    {
        var folder = Directory.CreateTempSubdirectory("mesh").FullName;
        try
        {
            var time = new MeshClient.Testing.FakeTimeProvider(new DateTimeOffset(2026, 11, 21, 3, 0, 0, TimeSpan.Zero));
            ulong index;
            await using (var server = await TestServer.StartAsync(options => options.DataDirectory = folder, time))
            {
                await RegisterAsync(server, Ext1 + ""","ID":"aaaaaaaa-2222-3333-4444-555555555555","TaggedAddresses":{"lan":"127.0.0.9"},"Service":{"Service":"a"},"Checks":[{"CheckID":"c1","Status":"warning"},{"CheckID":"c2","ServiceID":"a","Status":"passing","Definition":{"TCP":"127.0.0.1:1"}}]}""");
                await RegisterAsync(server, """{"Node":"gone","Address":"127.0.0.8","Service":{"Service":"b"}}""");
                await DeregisterAsync(server, """{"Node":"gone"}""");
                await server.RegisterAsync("web", check: """{"HTTP":"http://127.0.0.1:1/","Interval":"1h","Header":{"x-a":["1","2"]},"Status":"passing"}""");
                index = server.State.Index;
            }

            await using (var server = await TestServer.StartAsync(
                options =>
                {
                    options.DataDirectory = folder;
                    options.NodeName = "renamed";
                },
                time))
            {
                Assert.True((await server.GetAsync("/v1/catalog/nodes")).Index > index);
                Assert.Equal(["ext1", "renamed"], server.State.Catalog.Nodes.Keys);
                var entry = server.State.Catalog.Nodes["ext1"];
                Assert.Equal("aaaaaaaa-2222-3333-4444-555555555555", entry.Node.Id);
                Assert.Equal([new("lan", "127.0.0.9")], entry.Node.TaggedAddresses);
                Assert.Equal(["c1", "c2"], entry.AllChecks().Select(found => found.Check.CheckId));
                Assert.Equal("""{"TCP":"127.0.0.1:1"}""", entry.FindCheck("c2", out _)!.DefinitionJson);
                var probe = server.State.Catalog.FindCheck("service:web", out _)!.Probe!;
                Assert.Equal(("http://127.0.0.1:1/", TimeSpan.FromHours(1), 2), (probe.Target, probe.Interval, probe.Headers.Count));
            }

            var error = await Assert.ThrowsAsync<InvalidDataException>(() => TestServer.StartAsync(
                options =>
                {
                    options.DataDirectory = folder;
                    options.NodeName = "ext1";
                },
                time));
            Assert.Contains("give the server another NodeName", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task RegisterAsync(TestServer server, string body)
    {
        var answer = await server.PutAsync("/v1/catalog/register", body);
        Assert.Equal((HttpStatusCode.OK, "true"), (answer.Status, answer.Body));
    }

    private static async Task DeregisterAsync(TestServer server, string body)
    {
        var answer = await server.PutAsync("/v1/catalog/deregister", body);
        Assert.Equal((HttpStatusCode.OK, "true"), (answer.Status, answer.Body));
    }
}
