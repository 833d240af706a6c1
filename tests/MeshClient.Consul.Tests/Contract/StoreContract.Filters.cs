namespace MeshClient.Consul.Tests.Contract;

public abstract partial class StoreContract
{
    private const string NoFilter = "Failed to create boolean expression evaluator: ";

    [Theory]
    [InlineData("Service.Meta.version == v1", "1,2")]
    [InlineData("Service.Meta[\"version\"] == `v1`", "1,2")]
    [InlineData("Service.Meta.version != v1", "3")]
    [InlineData("\"v2\" in Service.Tags", "3")]
    [InlineData("Service.Tags not contains v2", "1,2")]
    [InlineData("\"V2\" in Service.Tags", "")]
    [InlineData("Service.Tags is empty", "")]
    [InlineData("Service.Meta is not empty", "1,2,3")]
    [InlineData("version in Service.Meta", "1,2,3")]
    [InlineData("Service.Meta.nosuch == x", "")]
    [InlineData("Service.Meta.nosuch != x", "1,2,3")]
    [InlineData("Service.Meta.nosuch matches x", "1,2,3")]
    [InlineData("x in Service.Meta.nosuch", "")]
    [InlineData("x not in Service.Meta.nosuch", "1,2,3")]
    [InlineData("Service.Meta.version matches `^v[12]$`", "1,2,3")]
    [InlineData("Service.Meta.version not matches `2`", "1,2")]
    [InlineData("v in Service.Meta.version", "1,2,3")]
    [InlineData("Service.Port == \"0x238d\"", "1")]
    [InlineData("Service.Port != 9_101", null)]
    [InlineData("Service.Port != \"9_101\"", "2,3")]
    [InlineData("Service.Connect.Native == T", "")]
    [InlineData("Service.EnableTagOverride != true", "1,2,3")]
    [InlineData("Service.Kind == \"\"", "1,2,3")]
    [InlineData("not not Service.Port == 9101", "1")]
    [InlineData("not (Service.Meta.version == v1 and Service.Port == 9101)", "2,3")]
    [InlineData("Service.Port == 9101 and Service.Meta.version == v1 or Service.Port == 9103", "1,3")]
    [InlineData("Service.Port == 9101 and (Service.Meta.version == v1 or Service.Port == 9103)", "1")]
    [InlineData("Checks.Status != passing", "2,3")]
    [InlineData("critical in Checks.Status", "3")]
    [InlineData("Checks is empty", "")]
    [InlineData("Checks.ServiceTags contains http", "1,2,3")]
    [InlineData("Checks.Type == ttl", "1,2,3")]
    [InlineData("Node.Datacenter == dc1", "1,2,3")]
    [InlineData("lan in Node.TaggedAddresses", "1,2,3")]
    [InlineData("Service.Weights.Passing == 10", "1")]
    [InlineData("Service.TaggedAddresses.lan_ipv4.Port == 9102", "2")]
    [InlineData("Service.TaggedAddresses.nosuch.Port != 1", "1,2,3")]
    [InlineData("Service.Proxy.DestinationServiceName == \"\"", "1,2,3")]
    [InlineData("Service.Proxy.Upstreams is empty", "1,2,3")]
    [InlineData("Service.Proxy.Expose.Checks == false", "1,2,3")]
    [InlineData("Service.Port == abc", null)]
    [InlineData("Service.Port == \"09101\"", null)]
    [InlineData("Service.Port == 99999999999999999999", null)]
    [InlineData("Service.Connect.Native == maybe", null)]
    [InlineData("Service.Port > 1", null)]
    [InlineData("Service.Kind is empty", null)]
    [InlineData("Service.Meta == x", null)]
    [InlineData("Service.Weights == 1", null)]
    [InlineData("SERVICE.ID == x", null)]
    [InlineData("Service.ID.foo == x", null)]
    [InlineData("Service.CreateIndex == 1", null)]
    [InlineData("Service.ID matches `a{1001}`", null)]
    [InlineData("Service.ID == a AND Service.ID == b", null)]
    [InlineData("Service.Address == 127.0.0.1", null)]
    [InlineData("(Service.ID == a", null)]
    [InlineData("((a == b) or (c == d", null)]
    [InlineData("Service.ID == \"é", null)]
    [InlineData("Service.Meta[version] == v1", null)]
    [InlineData("Service.Meta[\"x] == v1", null)]
    [InlineData("x in \"y\"", null)]
    [InlineData("not", null)]
    [InlineData("Service.ID == -", null)]
    [InlineData("Service.ID\n==\n", null)]
    [InlineData("Service.ID == \"a\\\"b\"", null)]
    [InlineData("Service.ID is not nothing", null)]
    [InlineData("   ", null)]
    public async Task Filter_OfInstances_FindsTheSameOrIsRefusedInTheSameWords(string filter, string? found)
    {
        var (version, status) = (new[] { "v1", "v1", "v2" }, new[] { "passing", "warning", "critical" });
        for (var i = 0; i < 3; i++)
        {
            await PutAsync("/v1/agent/service/register", $$"""
                {"ID":"{{Prefix}}{{i + 1}}","Name":"{{Prefix}}","Address":"127.0.0.1","Port":{{9101 + i}},"Tags":["{{version[i]}}","http"],"Meta":{"version":"{{version[i]}}"},
                 "Weights":{"Passing":{{10 - i}},"Warning":1},"Check":{"CheckID":"{{Prefix}}c{{i + 1}}","TTL":"30m","Status":"{{status[i]}}"} }
                """);
        }

        var answer = await GetAsync($"/v1/health/service/{Prefix}?filter={Uri.EscapeDataString(filter)}");
        if (found is null)
        {
            Assert.Equal(RefusedStatus, answer.Status);
            Assert.Equal(NoFilter + FilterProblems[filter], answer.Body);
            return;
        }

        Assert.Equal(200, answer.Status);
        Assert.Equal(found, string.Join(',', answer.Json.EnumerateArray()
            .Select(entry => entry.GetProperty("Service").GetProperty("ID").GetString()![Prefix.Length..]).Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData("/v1/agent/services", "Port == 65534", "Nope == 1", NoFilter)]
    [InlineData("/v1/agent/checks", "Name == nobody", "Nope == 1", "")]
    [InlineData("/v1/catalog/nodes", "Node == nobody", "Nope == 1", NoFilter)]
    [InlineData("/v1/catalog/service/nobody", "ServicePort == 1 and ServiceMeta.a != b", "Service.Port == 1", NoFilter)]
    [InlineData("/v1/health/connect/nobody", "Service.ID == a", "Nope == 1", NoFilter)]
    [InlineData("/v1/connect/intentions", "Precedence == 1 and SourceName == a and Meta.x == y", "CreatedAt == 1", NoFilter)]
    public async Task Filter_OfEveryCall_IsAppliedOrRefusedInTheSameWords(string path, string fits, string misfit, string prefix)
    {
        // Consul looks at the filter of an agent without checks no further than that.
        Assert.Equal(200, (await PutAsync("/v1/agent/check/register", Own("""{"Name":"{p}filtered","TTL":"60s","Status":"passing"}"""))).Status);
        Assert.Equal(0, (await GetAsync($"{path}?filter={Uri.EscapeDataString(fits)}")).Json switch
        {
            { ValueKind: System.Text.Json.JsonValueKind.Array } list => list.GetArrayLength(),
            var map => map.EnumerateObject().Count(),
        });
        var selector = misfit.Split(' ')[0].Split('.')[0];
        Assert.Equal((RefusedStatus, $"{prefix}Selector \"{selector}\" is not valid"), Plain(await GetAsync($"{path}?filter={Uri.EscapeDataString(misfit)}")));
        await PutAsync(Own("/v1/agent/check/deregister/{p}filtered"), string.Empty);
    }

    private static Dictionary<string, string> FilterProblems { get; } = new(StringComparer.Ordinal)
    {
        ["Service.Port != 9_101"] = "1:18 (17): rule \"number\": Invalid number literal",
        ["Service.Port == abc"] = "Failed to coerce value \"abc\" for selector \"Service.Port\": strconv.ParseInt: parsing \"abc\": invalid syntax",
        ["Service.Port == \"09101\""] = "Failed to coerce value \"09101\" for selector \"Service.Port\": strconv.ParseInt: parsing \"09101\": invalid syntax",
        ["Service.Port == 99999999999999999999"] = "Failed to coerce value \"99999999999999999999\" for selector \"Service.Port\": strconv.ParseInt: parsing \"99999999999999999999\": value out of range",
        ["Service.Connect.Native == maybe"] = "Failed to coerce value \"maybe\" for selector \"Service.Connect.Native\": strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ["Service.Port > 1"] = "1:14 (13): no match found, expected: \"!=\", \"==\", \"contains\", \"in\", \"is\", \"matches\", \"not\" or [ \\t\\r\\n]",
        ["Service.Kind is empty"] = "Invalid match operator \"Is Empty\" for selector \"Service.Kind\"",
        ["Service.Meta == x"] = "Invalid match operator \"Equal\" for selector \"Service.Meta\"",
        ["Service.Weights == 1"] = "Invalid match operator \"Equal\" for selector \"Service.Weights\"",
        ["SERVICE.ID == x"] = "Selector \"SERVICE\" is not valid",
        ["Service.ID.foo == x"] = "Selector \"Service.ID.foo\" is not valid",
        ["Service.CreateIndex == 1"] = "Selector \"Service.CreateIndex\" is not valid",
        ["Service.ID matches `a{1001}`"] = "Failed to compile regular expression \"a{1001}\": error parsing regexp: invalid repeat count: `{1001}`",
        ["Service.ID == a AND Service.ID == b"] = "1:17 (16): no match found, expected: \"and\", \"or\", [ \\t\\r\\n] or EOF",
        ["Service.Address == 127.0.0.1"] = "1:25 (24): rule \"number\": Invalid number literal",
        ["(Service.ID == a"] = "1:17 (16): rule \"grouping\": Unmatched parentheses",
        ["((a == b) or (c == d"] = "1:21 (20): rule \"grouping\": Unmatched parentheses\n1:11 (10): rule \"grouping\": Unmatched parentheses",
        ["Service.ID == \"é"] = "1:17 (17): rule \"string\": Unterminated string literal",
        ["Service.Meta[version] == v1"] = "1:14 (13): rule \"index\": Invalid index",
        ["Service.Meta[\"x] == v1"] = "1:23 (22): rule \"string\": Unterminated string literal\n1:14 (13): rule \"index\": Invalid index",
        ["x in \"y\""] = "1:6 (5): rule \"match\": Invalid selector",
        ["not"] = "1:4 (3): no match found, expected: \"!=\", \".\", \"==\", \"[\", [ \\t\\r\\n] or [a-zA-Z0-9_]",
        ["Service.ID == -"] = "1:16 (15): no match found, expected: \"0\" or [1-9]",
        ["Service.ID\n==\n"] = "3:1 (14): no match found, expected: \"-\", \"0\", \"\\\"\", \"`\", [ \\t\\r\\n], [1-9] or [a-zA-Z]",
        ["Service.ID == \"a\\\"b\""] = "1:15 (14): rule \"string\": invalid syntax",
        ["Service.ID is not nothing"] = "1:19 (18): no match found, expected: \"empty\" or [ \\t\\r\\n]",
        ["   "] = "1:4 (3): no match found, expected: \"(\", \"-\", \"0\", \"\\\"\", \"`\", \"not\", [ \\t\\r\\n], [1-9] or [a-zA-Z]",
    };
}
