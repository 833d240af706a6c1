using System.Collections.Immutable;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Discovery;

public sealed class ServiceInstanceTests
{
    private static ServiceInstance Make() => new()
    {
        Id = new InstanceId("o-1"),
        Service = ServiceName.Parse("orders"),
        ExpectedService = ServiceName.Parse("orders"),
        Endpoints = [new InstanceEndpoint(null, "127.0.0.1", 5001, InstanceSecurity.Mesh)],
        Datacenter = "dc1",
        Identity = SpiffeId.Parse("spiffe://td/a"),
        Tags = ["t"],
        Meta = ImmutableSortedDictionary<string, string>.Empty.Add("a", "b"),
    };

    public static TheoryData<string, Func<ServiceInstance, ServiceInstance>> Changes => new()
    {
        { "id", i => i with { Id = new InstanceId("o-2") } },
        { "service", i => i with { Service = ServiceName.Parse("payments") } },
        { "expected service", i => i with { ExpectedService = ServiceName.Parse("payments") } },
        { "host", i => i with { Endpoints = [i.Endpoints[0] with { Host = "127.0.0.2" }] } },
        { "port", i => i with { Endpoints = [i.Endpoints[0] with { Port = 5002 }] } },
        { "security", i => i with { Endpoints = [i.Endpoints[0] with { Security = InstanceSecurity.Plaintext }] } },
        { "endpoint name", i => i with { Endpoints = [i.Endpoints[0] with { Name = "admin" }] } },
        { "more endpoints", i => i with { Endpoints = [i.Endpoints[0], i.Endpoints[0]] } },
        { "datacenter", i => i with { Datacenter = "DC1" } },
        { "identity", i => i with { Identity = SpiffeId.Parse("spiffe://td/b") } },
        { "no identity", i => i with { Identity = null } },
        { "zone", i => i with { Zone = "a" } },
        { "health", i => i with { Health = InstanceHealth.Warning } },
        { "weight", i => i with { Weight = 2 } },
        { "plaintext", i => i with { PlaintextAllowed = true } },
        { "proxy", i => i with { IsBehindProxy = true } },
        { "tags", i => i with { Tags = ["T"] } },
        { "meta value", i => i with { Meta = i.Meta.SetItem("a", "c") } },
        { "meta key", i => i with { Meta = i.Meta.Remove("a").Add("A", "b") } },
        { "more meta", i => i with { Meta = i.Meta.Add("c", "d") } },
    };

    [Fact]
    public void Equality_EveryPartEqual_IsEqual()
    {
        Assert.Equal(Make(), Make());
        Assert.Equal(Make().GetHashCode(), Make().GetHashCode());
        Assert.True(Make() == Make());
        Assert.Equal(
            new ServiceSnapshot(ServiceName.Parse("orders"), [Make()]), new ServiceSnapshot(ServiceName.Parse("orders"), [Make()]));
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void Equality_OnePartDiffers_IsNotEqual(string part, Func<ServiceInstance, ServiceInstance> change)
    {
        Assert.False(Make() == change(Make()), part);
        Assert.False(change(Make()) == Make(), part);
        Assert.False(Make().Equals(null));
    }

    // A new property has to come into Equals and into the table above.
    [Fact]
    public void Equality_EveryProperty_IsInTheTable() =>
        Assert.Equal(13, typeof(ServiceInstance).GetProperties().Length);

    [Fact]
    public void Defaults_OfTheOptionalParts_AreSafe()
    {
        var instance = new ServiceInstance { Id = new InstanceId("a"), Service = ServiceName.Parse("a"), Endpoints = [] };

        Assert.Equal(InstanceHealth.Passing, instance.Health);
        Assert.Equal(1, instance.Weight);
        Assert.False(instance.PlaintextAllowed);
        Assert.True(instance.ExpectedService.IsEmpty);
        Assert.Empty(instance.Tags);
        Assert.Empty(instance.Meta);
        Assert.Equal(string.Empty, instance.Datacenter);
    }
}
