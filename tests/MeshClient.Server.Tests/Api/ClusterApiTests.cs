using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>What Consul's tools ask of a cluster.</summary>
public sealed class ClusterApiTests
{
    [Theory]
    [InlineData("PUT", "/v1/agent/reload", 200, "")]
    [InlineData("PUT", "/v1/agent/leave", 500, "This server is a cluster of one and cannot leave it; stop its process instead.")]
    [InlineData("PUT", "/v1/agent/join/127.0.0.1:1", 500, "This server is a cluster of one and joins no other; use a Consul cluster where several servers are needed.")]
    [InlineData("PUT", "/v1/agent/force-leave/nope", 500, "agent: No node found with name 'nope'")]
    [InlineData("DELETE", "/v1/operator/raft/peer?address=127.0.0.1:1", 500, "address \"127.0.0.1:1\" was not found in the Raft configuration")]
    [InlineData("GET", "/v1/operator/keyring", 500, "Keyring is empty (encryption not enabled)")]
    [InlineData("GET", "/v1/coordinate/node/nope", 404, "")]
    [InlineData("GET", "/v1/coordinate/nodes", 200, """[{"Node":"n1","Segment":"","Coord":{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0}}]""")]
    [InlineData("GET", "/v1/operator/autopilot/configuration", 200, """{"CleanupDeadServers":true,"LastContactThreshold":"200ms","MaxTrailingLogs":250,"MinQuorum":0,"ServerStabilizationTime":"10s","RedundancyZoneTag":"","DisableUpgradeMigration":false,"UpgradeVersionTag":"","CreateIndex":1,"ModifyIndex":1}""")]
    public async Task ClusterCalls_OfAClusterOfOne_AnswerAsSaid(string method, string path, int status, string body)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendAsync(method, path);
        Assert.Equal((status, body), ((int)answer.Status, answer.Body));
    }

    [Fact]
    public async Task RaftAndMembers_NameTheNodes()
    {
        await using var server = await TestServer.StartAsync();
        await server.MustPutAsync("/v1/catalog/register", """{"Node":"ext1","Address":"127.0.0.9"}""");
        var raft = (await server.GetAsync("/v1/operator/raft/configuration")).Json.GetProperty("Servers")[0];
        Assert.Equal(("n1", true, "3"), (raft.GetProperty("Node").GetString(), raft.GetProperty("Leader").GetBoolean(), raft.GetProperty("ProtocolVersion").GetString()));
        Assert.True((await server.GetAsync("/v1/operator/autopilot/health")).Json.GetProperty("Healthy").GetBoolean());
        var members = (await server.GetAsync("/v1/agent/members?segment=_all")).Json;
        Assert.Equal(["ext1 1", "n1 1"], members.EnumerateArray().Select(member => $"{member.GetProperty("Name")} {member.GetProperty("Status")}"));
    }

    [Fact]
    public async Task UiSummaries_CountWhatIsThere()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", "w1", more: ""","Tags":["b","a"]""");
        await server.RegisterAsync("web", "w2", """{"TTL":"1m"}""");
        var service = (await server.GetAsync("/v1/internal/ui/services")).Body;
        Assert.Equal("""[{"Name":"web","Tags":["a","b"],"Nodes":["n1","n1"],"InstanceCount":2,"ChecksPassing":2,"ChecksWarning":0,"ChecksCritical":1,"ExternalSources":null,"GatewayConfig":{}}]""", service);
        var node = (await server.GetAsync("/v1/internal/ui/nodes")).Json[0];
        Assert.Equal((2, 3), (node.GetProperty("Services").GetArrayLength(), node.GetProperty("Checks").GetArrayLength()));
        Assert.Equal("n1", (await server.GetAsync("/v1/internal/ui/node/n1")).Json.GetProperty("Node").GetString());
    }
}
