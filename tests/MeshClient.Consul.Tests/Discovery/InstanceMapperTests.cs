using System.Text.Json;
using MeshClient.Consul.Discovery;
using MeshClient.Consul.Model;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Discovery;

public sealed class InstanceMapperTests
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");

    [Fact]
    public void Map_NoAddressOfItsOwn_TakesTheNodes() =>
        Assert.Equal("10.0.0.1", Map(service: """ "Address":"" """)!.Endpoints[0].Host);

    [Fact]
    public void Map_NameInOtherCase_ExpectsTheRegisteredOne()
    {
        var instance = Map(service: """ "Service":"ORDERS" """)!;

        Assert.Equal(Orders, instance.Service);
        Assert.Equal("ORDERS", instance.ExpectedService.Value);
    }

    [Fact]
    public void Map_TaggedAddresses_BecomeNamedEndpointsWithoutConsulsOwn()
    {
        var instance = Map(service: """
            "TaggedAddresses":{"lan":{"Address":"1.1.1.1","Port":1},"lan_ipv4":{"Address":"1.1.1.1","Port":1},
            "wan_ipv6":{"Address":"::1","Port":1},"virtual":{"Address":"240.0.0.1","Port":1},
            "consul-virtual":{"Address":"240.0.0.1","Port":1},"consul-virtual:x":{"Address":"240.0.0.1","Port":1},
            "grpc":{"Address":"10.0.0.2","Port":81},"admin":{"Address":"10.0.0.2","Port":82},"bad":{"Address":"10.0.0.2","Port":0},"none":null}
            """)!;

        Assert.Equal([null, "admin", "grpc"], instance.Endpoints.Select(endpoint => endpoint.Name));
        Assert.All(instance.Endpoints, endpoint => Assert.Equal(InstanceSecurity.Mesh, endpoint.Security));
    }

    [Theory]
    [InlineData("passing", "passing", InstanceHealth.Passing, 8)]
    [InlineData("passing", "warning", InstanceHealth.Warning, 3)]
    [InlineData("warning", "critical", InstanceHealth.Critical, 8)]
    [InlineData("passing", "maintenance", InstanceHealth.Critical, 8)]
    [InlineData("passing", "PASSING", InstanceHealth.Critical, 8)]
    public void Map_Checks_TheWorstDecidesHealthAndWeight(string one, string other, InstanceHealth health, int weight)
    {
        var instance = Map(
            service: """ "Weights":{"Passing":8,"Warning":3} """, checks: $$"""[{"Status":"{{one}}"},{"Status":"{{other}}"}]""")!;

        Assert.Equal((health, weight), (instance.Health, instance.Weight));
    }

    [Fact]
    public void Map_CheckWithoutStatus_IsCritical() => Assert.Equal(InstanceHealth.Critical, Map(checks: "[{}]")!.Health);

    [Theory]
    [InlineData("null", 1)]
    [InlineData("{}", 1)]
    [InlineData("""{"Passing":"12"}""", 12)]
    [InlineData("""{"Passing":-5}""", 0)]
    [InlineData("""{"Passing":99999999999}""", 65535)]
    public void Map_OddWeights_AreBroughtIntoRange(string weights, int expected) =>
        Assert.Equal(expected, Map(service: $$""" "Weights":{{weights}} """)!.Weight);

    [Theory]
    [InlineData(""" "Locality":{"Region":"r","Zone":"s"},"Meta":{"zone":"m"} """, """ "Locality":{"Zone":"n"} """, "s")]
    [InlineData(""" "Locality":{"Zone":""},"Meta":{"zone":"m"} """, """ "Locality":{"Zone":"n"} """, "m")]
    [InlineData(""" "Meta":{"availability_zone":"m"} """, """ "Meta":{"zone":"n"} """, "m")]
    [InlineData(""" "Meta":{"topology.kubernetes.io/zone":"m","zone":""} """, "", "m")]
    [InlineData("", """ "Locality":{"Zone":"n"},"Meta":{"zone":"o"} """, "n")]
    [InlineData("", """ "Locality":null,"Meta":{"zone":"o"} """, "o")]
    [InlineData("", """ "Meta":null """, null)]
    [InlineData(""" "Locality":{} """, "", null)]
    public void Map_Zone_IsTheInstancesLocalityElseMetadataElseTheNodes(string service, string node, string? expected) =>
        Assert.Equal(expected, Map(service, node: node)!.Zone);

    [Theory]
    [InlineData("""{"Tags":null,"Meta":null,"TaggedAddresses":null,"Weights":null,"Proxy":null}""")]
    [InlineData("""{"Tags":[],"Meta":[],"TaggedAddresses":[]}""")]
    [InlineData("""{"Tags":{},"Meta":{},"TaggedAddresses":{},"Unknown":{"deep":[1,{"a":null}]}}""")]
    [InlineData("{}")]
    public void Map_EmptyPartsInAnyForm_AreEmpty(string parts)
    {
        var instance = Map(service: parts[1..^1])!;

        Assert.Empty(instance.Tags);
        Assert.Empty(instance.Meta);
        Assert.Single(instance.Endpoints);
    }

    [Theory]
    [InlineData(""" "Port":0 """)]
    [InlineData(""" "Port":-1 """)]
    [InlineData(""" "Port":65536 """)]
    [InlineData(""" "Port":null """)]
    [InlineData(""" "ID":"" """)]
    [InlineData(""" "ID":null """)]
    [InlineData(""" "ID":"a\u0000b" """)]
    [InlineData(""" "Service":"payments" """)]
    [InlineData(""" "Service":"or/ders" """)]
    [InlineData(""" "Service":null """)]
    [InlineData(""" "Address":"a b" """)]
    [InlineData(""" "Kind":"connect-proxy","Connect":{} """)]
    public void Map_UnusableEntry_IsNullWithAReason(string service)
    {
        Assert.Null(InstanceMapper.TryMap(Orders, Entry(service, "[]"), out var problem));
        Assert.NotEmpty(problem);
    }

    [Theory]
    [InlineData(""" "Kind":"connect-proxy","Connect":{},"Proxy":{"DestinationServiceName":"orders"} """, true)]
    [InlineData(""" "Connect":{"Native":true} """, false)]
    public void Map_ProxyOrNative_SaysWhichOfTheTwo(string service, bool behindProxy) =>
        Assert.Equal(behindProxy, Map(service)!.IsBehindProxy);

    [Theory]
    [InlineData("admin=plaintext,web=tls", "admin", true, InstanceSecurity.Plaintext)]
    [InlineData("admin=plaintext,web=tls", "web", true, InstanceSecurity.Tls)]
    [InlineData("admin=plaintext,web=tls", "grpc", true, InstanceSecurity.Mesh)]
    [InlineData("=plaintext", null, true, InstanceSecurity.Mesh)]
    [InlineData("=tls", null, false, InstanceSecurity.Tls)]
    [InlineData("admin=mesh", "admin", false, InstanceSecurity.Plaintext)]
    [InlineData("nonsense,,=,==", "admin", true, InstanceSecurity.Mesh)]
    [InlineData(null, "admin", false, InstanceSecurity.Plaintext)]
    public void EndpointSecurity_FromMetadata_NeverAddsToOrTakesFromTheMainFact(
        string? text, string? endpoint, bool native, InstanceSecurity expected) =>
        Assert.Equal(expected, EndpointSecurityCodec.Read(text, endpoint, native));

    [Fact]
    public void Map_SeveralOfAList_KeepTheTextsTheyHaveInCommonOnce()
    {
        const string Meta = """ "Meta":{"version":"7","meshclient-idempotent":"POST /orders/{id}"} """;
        var shared = new HashSet<string>();
        var one = InstanceMapper.TryMap(Orders, Entry(Meta, "[]"), out _, shared)!.Meta;
        var other = InstanceMapper.TryMap(Orders, Entry(Meta, "[]"), out _, shared)!.Meta;

        Assert.Equal("POST /orders/{id}", other["meshclient-idempotent"]);
        Assert.Same(one["meshclient-idempotent"], other["meshclient-idempotent"]);
    }

    private static ServiceInstance? Map(string service = "", string checks = "[]", string node = "") =>
        InstanceMapper.TryMap(Orders, Entry(service, checks, node), out _);

    // A key that comes twice holds with its last value.
    private static HealthEntry Entry(string service, string checks, string node = "")
    {
        const string Usual = """
            "ID":"orders-1","Service":"orders","Address":"10.0.0.2","Port":80,"Connect":{"Native":true}
            """;
        var separator = string.IsNullOrWhiteSpace(service) ? "" : ",";
        var more = string.IsNullOrWhiteSpace(node) ? "" : $",{node}";
        var json = $$"""[{"Node":{"Node":"n1","Address":"10.0.0.1","Datacenter":"dc1"{{more}}},"Service":{{{Usual}}{{separator}}{{service}}},"Checks":{{checks}}}]""";
        return JsonSerializer.Deserialize(json, WireJson.Default.HealthEntryArray)![0]!;
    }
}
