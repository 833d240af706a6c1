using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>agent/health/*, maintenance, and the lists of checks.</summary>
public sealed class AgentHealthApiTests
{
    [Theory]
    [InlineData("passing", 200, "passing")]
    [InlineData("warning", 429, "warning")]
    [InlineData("critical", 503, "critical")]
    public async Task HealthOfAnInstance_IsItsWorstCheckAsCodeHeaderAndText(string status, int code, string text)
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: $$"""{"TTL":"10s","Status":"{{status}}"}""");
        await server.RegisterAsync("web", "good");
        var json = await server.GetAsync("/v1/agent/health/service/id/web");
        Assert.Equal((code, text), ((int)json.Status, json.Headers["X-Consul-Reason"]));
        Assert.Equal(text, json.Json.GetProperty("AggregatedStatus").GetString());
        Assert.Equal("web", json.Json.GetProperty("Service").GetProperty("ID").GetString());
        Assert.Equal(1, json.Json.GetProperty("Checks").GetArrayLength());
        var plain = await server.GetAsync("/v1/agent/health/service/id/web?format=text");
        Assert.Equal((code, text), ((int)plain.Status, plain.Body));
        var all = await server.GetAsync("/v1/agent/health/service/name/web");
        Assert.Equal((code, 2), ((int)all.Status, all.Json.GetArrayLength()));
        Assert.Equal(text, (await server.GetAsync("/v1/agent/health/service/name/web?format=text")).Body);
    }

    [Fact]
    public async Task Health_OfWhatIsNotThere_Is404WithAReason()
    {
        await using var server = await TestServer.StartAsync();
        var id = await server.GetAsync("/v1/agent/health/service/id/nope");
        Assert.Equal((404, "ServiceId nope not found", """{"AggregatedStatus":"critical","Service":null,"Checks":null}"""), ((int)id.Status, id.Headers["X-Consul-Reason"], id.Body));
        var name = await server.GetAsync("/v1/agent/health/service/name/nope");
        Assert.Equal((404, "ServiceName nope Not Found", "[]"), ((int)name.Status, name.Headers["X-Consul-Reason"], name.Body));
        Assert.Equal((400, "Bad request: Missing serviceID"), Parts(await server.GetAsync("/v1/agent/health/service/id/")));
        Assert.Equal((400, "Bad request: Missing service Name"), Parts(await server.GetAsync("/v1/agent/health/service/name/")));
    }

    [Fact]
    public async Task NodeMaintenance_TakesEverythingOnTheNodeOutOfUse()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web");
        await server.MustPutAsync("/v1/agent/maintenance?enable=true&reason=node%20work");
        await server.MustPutAsync("/v1/agent/maintenance?enable=true&reason=again");
        var check = (await server.GetAsync("/v1/agent/checks")).Json.GetProperty("_node_maintenance");
        Assert.Equal(("node work", "critical", "maintenance"), (check.GetProperty("Notes").GetString(), check.GetProperty("Status").GetString(), check.GetProperty("Type").GetString()));
        var health = await server.GetAsync("/v1/agent/health/service/id/web");
        Assert.Equal((503, "maintenance"), ((int)health.Status, health.Headers["X-Consul-Reason"]));
        Assert.Equal("[]", (await server.GetAsync("/v1/health/service/web?passing")).Body);
        await server.MustPutAsync("/v1/agent/maintenance?enable=false");
        await server.MustPutAsync("/v1/agent/maintenance?enable=false");
        Assert.Equal(200, (int)(await server.GetAsync("/v1/agent/health/service/id/web")).Status);
        await server.MustPutAsync("/v1/agent/maintenance?enable=true");
        Assert.Equal(
            "Maintenance mode is enabled for this node, but no reason was provided. This is a default message.",
            (await server.GetAsync("/v1/agent/checks")).Json.GetProperty("_node_maintenance").GetProperty("Notes").GetString());
    }

    [Theory]
    [InlineData("/v1/agent/maintenance", "Missing value for enable")]
    [InlineData("/v1/agent/maintenance?enable=x", "Invalid value for enable: \"x\"")]
    public async Task NodeMaintenance_OfSomethingWrong_IsRefused(string path, string text)
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal((400, text), Parts(await server.PutAsync(path)));
    }

    [Fact]
    public async Task CheckLists_ByNodeServiceAndState_HoldWhatTheyShould()
    {
        await using var server = await TestServer.StartAsync();
        await server.RegisterAsync("web", check: """{"TTL":"10s","Status":"warning"}""");
        await server.RegisterAsync("db", check: """{"TTL":"10s"}""");
        Assert.Equal(["serfHealth", "service:db", "service:web"], await IdsAsync(server, "node/n1"));
        Assert.Equal(["service:web"], await IdsAsync(server, "checks/WEB"));
        Assert.Equal(["serfHealth", "service:db", "service:web"], await IdsAsync(server, "state/any"));
        Assert.Equal(["serfHealth"], await IdsAsync(server, "state/passing"));
        Assert.Equal(["service:web"], await IdsAsync(server, "state/warning"));
        Assert.Equal(["service:db"], await IdsAsync(server, "state/critical"));
        Assert.Equal(["service:db"], await IdsAsync(server, "state/any?filter=ServiceName==db"));
        foreach (var nothing in new[] { "node/nope", "checks/nope", "state/bogus" })
        {
            Assert.Equal("[]", (await server.GetAsync($"/v1/health/{nothing}")).Body);
        }

        Assert.Equal((400, "Missing check state"), Parts(await server.GetAsync("/v1/health/state/")));
        var parked = await server.ParkAsync("/v1/health/state/critical", (await server.GetAsync("/v1/health/state/critical")).Index);
        await server.MustPutAsync("/v1/agent/check/fail/service:web");
        Assert.Equal(2, (await parked).Json.GetArrayLength());
    }

    private static (int Status, string Body) Parts(Answer answer) => ((int)answer.Status, answer.Body);

    private static async Task<IEnumerable<string?>> IdsAsync(TestServer server, string path) =>
        (await server.GetAsync($"/v1/health/{path}")).Json.EnumerateArray().Select(check => check.GetProperty("CheckID").GetString());
}
