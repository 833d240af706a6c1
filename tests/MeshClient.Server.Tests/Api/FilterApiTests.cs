using System.Net;
using MeshClient.Server.Tests.Support;

namespace MeshClient.Server.Tests.Api;

/// <summary>The filter parameter, with the tour through its language that was taken on Consul 1.8.7.</summary>
public sealed class FilterApiTests
{
    private const string Prefix = "Failed to create boolean expression evaluator: ";

    [Fact]
    public async Task Health_FilteredAsOnTheTour_HasWhatConsulHas()
    {
        await using var server = await StartAsync();
        (string Filter, string Ids)[] tour =
        [
            ("Service.Meta.version == v1", "api1,api2"),
            ("Service.Meta.version==`v1`", "api1,api2"),
            ("Service.Meta[\"version\"] == \"v1\"", "api1,api2"),
            ("Service.Meta.version != v1", "api3"),
            ("v2 in Service.Tags", "api3"),
            ("\"v2\" not in Service.Tags", "api1,api2"),
            ("Service.Tags not contains v2", "api1,api2"),
            ("Service.Meta is empty", ""),
            ("\"version\" in Service.Meta", "api1,api2,api3"),
            ("Service.Meta.nosuch == x", ""),
            ("Service.Meta.nosuch != x", "api1,api2,api3"),
            ("Service.Meta.nosuch matches x", "api1,api2,api3"),
            ("x in Service.Meta.nosuch", ""),
            ("Service.Meta.version matches \"^v[12]$\"", "api1,api2,api3"),
            ("Service.Meta.version not matches \"2\"", "api1,api2"),
            ("\"v\" in Service.Meta.version", "api1,api2,api3"),
            ("Service.ID matches `api[13]`", "api1,api3"),
            ("Service.Port == 9101", "api1"),
            ("Service.Port == \"0x238d\"", "api1"),
            ("Service.Connect.Native == false", "api1,api2,api3"),
            ("Service.Connect.Native == 1", ""),
            ("Service.EnableTagOverride == true", ""),
            ("Service.Kind == \"\"", "api1,api2,api3"),
            ("not Service.Meta.version == v1", "api3"),
            ("not (Service.Meta.version == v1 and Service.ID == api1)", "api2,api3"),
            ("Service.ID == api1 and Service.Meta.version == v1 or Service.ID == api3", "api1,api3"),
            ("Checks.Status == \"critical\"", "api3"),
            ("Checks.Status != \"passing\"", "api2,api3"),
            ("\"critical\" in Checks.Status", "api3"),
            ("Checks is not empty", "api1,api2,api3"),
            ("Checks.ServiceTags contains http", "api1,api2,api3"),
            ("Checks.CheckID == serfHealth", "api1,api2,api3"),
            ("Node.Node == n1", "api1,api2,api3"),
            ("Node.Meta[\"consul-network-segment\"] == \"\"", "api1,api2,api3"),
            ("Node.Datacenter == dc1", "api1,api2,api3"),
            ("Service.Weights.Passing == 10", "api1"),
            ("Service.TaggedAddresses is empty", ""),
            ("\"wan\" in Service.TaggedAddresses", "api2,api3"),
            ("Service.TaggedAddresses.wan.Port == 19102", "api2"),
            ("Service.TaggedAddresses.nosuch.Port != 1", "api1,api2,api3"),
            ("Service.TaggedAddresses.lan_ipv4.Address == \"127.0.0.1\"", "api1,api2,api3"),
            ("Service.Proxy.DestinationServiceName == \"\"", "api1,api2,api3"),
            ("Service.Proxy.Upstreams is empty", "api1,api2,api3"),
            ("Service.Proxy.MeshGateway.Mode == \"\"", "api1,api2,api3"),
            ("Service.Proxy.Expose.Checks == false", "api1,api2,api3"),
            ("", "api1,api2,api3"),
        ];
        foreach (var (filter, ids) in tour)
        {
            Assert.Equal((filter, ids), (filter, await IdsAsync(server, "/v1/health/service/api", filter, entry => entry.GetProperty("Service").GetProperty("ID").GetString())));
        }
    }

    [Theory]
    [InlineData("Service.Port == abc", "Failed to coerce value \"abc\" for selector \"Service.Port\": strconv.ParseInt: parsing \"abc\": invalid syntax")]
    [InlineData("Service.Connect.Native == maybe", "Failed to coerce value \"maybe\" for selector \"Service.Connect.Native\": strconv.ParseBool: parsing \"maybe\": invalid syntax")]
    [InlineData("Service.Kind is empty", "Invalid match operator \"Is Empty\" for selector \"Service.Kind\"")]
    [InlineData("Service.Meta == x", "Invalid match operator \"Equal\" for selector \"Service.Meta\"")]
    [InlineData("Service == x", "Invalid match operator \"Equal\" for selector \"Service\"")]
    [InlineData("Checks contains x", "Invalid match operator \"In\" for selector \"Checks\"")]
    [InlineData("Service.Port matches 1", "Invalid match operator \"Matches\" for selector \"Service.Port\"")]
    [InlineData("SERVICE.ID == api1", "Selector \"SERVICE\" is not valid")]
    [InlineData("Service.id == api1", "Selector \"Service.id\" is not valid")]
    [InlineData("Service.ID.foo == x", "Selector \"Service.ID.foo\" is not valid")]
    [InlineData("Service.Meta.version.x == v1", "Selector \"Service.Meta.version.x\" is not valid")]
    [InlineData("Service.CreateIndex == 1", "Selector \"Service.CreateIndex\" is not valid")]
    [InlineData("Checks.Definition is empty", "Selector \"Checks.Definition\" is not valid")]
    [InlineData("Service.ID matches `a{1001}`", "Failed to compile regular expression \"a{1001}\": error parsing regexp: invalid repeat count: `{1001}`")]
    public async Task Health_FilteredByWhatDoesNotFit_IsRefusedInConsulsWords(string filter, string problem)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync($"/v1/health/service/none?filter={Uri.EscapeDataString(filter)}");
        Assert.Equal((HttpStatusCode.BadRequest, Prefix + problem), (answer.Status, answer.Body));
    }

    [Fact]
    public async Task Health_FilteredByABrokenExpression_SaysWhichOne()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.GetAsync($"/v1/health/service/none?filter={Uri.EscapeDataString("Service.ID matches \"(\"")}");
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.StartsWith(Prefix + "Failed to compile regular expression \"(\": error parsing regexp: ", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EveryCallThatFilters_LeavesOutWhatDoesNotFit()
    {
        await using var server = await StartAsync();
        await server.MustPutAsync("/v1/connect/intentions/exact?source=web&destination=api", """{"Action":"deny"}""");
        await server.MustPutAsync("/v1/connect/intentions/exact?source=*&destination=api", """{"Action":"allow"}""");
        Assert.Equal("api3", await IdsAsync(server, "/v1/catalog/service/api", "ServiceMeta.version == v2 and ServiceName == api", entry => entry.GetProperty("ServiceID").GetString()));
        Assert.Equal("n1", await IdsAsync(server, "/v1/catalog/nodes", "Node == n1 and \"lan\" in TaggedAddresses", entry => entry.GetProperty("Node").GetString()));
        Assert.Equal("", await IdsAsync(server, "/v1/catalog/nodes", "Node != n1", entry => entry.GetProperty("Node").GetString()));
        Assert.Equal("web", await IdsAsync(server, "/v1/connect/intentions", "Action == deny and Precedence == 9", entry => entry.GetProperty("SourceName").GetString()));
        Assert.Equal("api1,api2", await KeysAsync(server, "/v1/agent/services", "Service == api and Meta.version == v1"));
        Assert.Equal("c2", await KeysAsync(server, "/v1/agent/checks", "Status == warning and ServiceName == api"));
        Assert.Equal("api", await KeysAsync(server, "/v1/catalog/services", "ServiceName == api"));
        Assert.Equal("", await KeysAsync(server, "/v1/catalog/services", "ServicePort == 1"));
    }

    private static async Task<TestServer> StartAsync()
    {
        var server = await TestServer.StartAsync();
        (string Version, string Status, string More)[] instances =
        [
            ("v1", "passing", ",\"Weights\":{\"Passing\":10,\"Warning\":1}"),
            ("v1", "warning", ",\"TaggedAddresses\":{\"wan\":{\"address\":\"127.0.0.2\",\"port\":19102}}"),
            ("v2", "critical", ",\"TaggedAddresses\":{\"wan\":{\"address\":\"127.0.0.3\",\"port\":19103}}"),
        ];
        for (var i = 1; i <= instances.Length; i++)
        {
            var (version, status, more) = instances[i - 1];
            await server.MustPutAsync("/v1/agent/service/register", $$"""
                {"ID":"api{{i}}","Name":"api","Address":"127.0.0.1","Port":{{9100 + i}},"Tags":["{{version}}","http"],"Meta":{"version":"{{version}}"},
                 "Check":{"CheckID":"c{{i}}","TTL":"30m","Status":"{{status}}"}{{more}}}
                """);
        }

        return server;
    }

    private static async Task<string> IdsAsync(TestServer server, string path, string filter, Func<System.Text.Json.JsonElement, string?> id)
    {
        var answer = await server.GetAsync($"{path}?filter={Uri.EscapeDataString(filter)}");
        Assert.True(answer.Status == HttpStatusCode.OK, $"{path} {filter}: {answer.Body}");
        return string.Join(',', answer.Json.EnumerateArray().Select(id).Order(StringComparer.Ordinal));
    }

    private static async Task<string> KeysAsync(TestServer server, string path, string filter)
    {
        var answer = await server.GetAsync($"{path}?filter={Uri.EscapeDataString(filter)}");
        Assert.True(answer.Status == HttpStatusCode.OK, $"{path} {filter}: {answer.Body}");
        return string.Join(',', answer.Json.EnumerateObject().Select(pair => pair.Name));
    }
}
