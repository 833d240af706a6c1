using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Discovery;
using MeshClient.Testing;

namespace MeshClient.Tests.Discovery;

public sealed class SnapshotStabilizerTests
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private readonly FakeTimeProvider _time = new();
    private readonly SnapshotStabilizer _stabilizer;

    public SnapshotStabilizerTests() => _stabilizer = new SnapshotStabilizer(Grace, _time);

    [Fact]
    public void Stabilize_OrdinaryRemoval_IsBelievedAtOnce()
    {
        Take(["a", "b", "c"]);

        Assert.Equal(["a", "c"], Take(["a", "c"]));
    }

    [Fact]
    public void Stabilize_ListTurnsEmpty_KeepsTheInstancesForTheGracePeriod()
    {
        Take(["a", "b"]);

        Assert.Equal(["a", "b"], Take([], out var expiry));
        Assert.Equal(Grace, expiry);

        _time.Advance(Grace);
        Assert.Empty(Take([], out expiry));
        Assert.Null(expiry);
    }

    [Fact]
    public void Stabilize_RegistryCameBackWithAPart_KeepsTheOthersUntilTheyAreListedAgain()
    {
        Take(["a", "b", "c"]);

        Assert.Equal(["b", "a", "c"], Take(["b"], cameBack: true));
        _time.Advance(Grace / 3);
        Assert.Equal(["b", "c", "a"], Take(["b", "c"]));
        _time.Advance(Grace);
        Assert.Equal(["b", "c"], Take(["b", "c"]));
    }

    [Fact]
    public void Stabilize_LongAfterTheRegistryCameBack_RemovalsAreBelievedAgain()
    {
        Take(["a", "b"], cameBack: true);
        _time.Advance(Grace + TimeSpan.FromSeconds(1));

        Assert.Equal(["a"], Take(["a"]));
    }

    [Fact]
    public void Stabilize_CriticalInstanceVanishes_IsNotKept()
    {
        _stabilizer.Stabilize(Snapshot(Instance("a", InstanceHealth.Critical)), cameBack: false, out _);

        Assert.Empty(Take([], cameBack: true));
    }

    [Fact]
    public void Stabilize_KeptInstanceIsListedWithANewAddress_TheListCounts()
    {
        Take(["a"]);
        Take([]);
        var moved = Instance("a", port: 2);

        var result = _stabilizer.Stabilize(Snapshot(moved), cameBack: false, out _);

        Assert.Equal(moved, Assert.Single((IEnumerable<ServiceInstance>)result.Instances));
    }

    private List<string> Take(string[] ids, bool cameBack = false) => Take(ids, out _, cameBack);

    private List<string> Take(string[] ids, out TimeSpan? expiry, bool cameBack = false) =>
        [.. _stabilizer.Stabilize(Snapshot([.. ids.Select(id => Instance(id))]), cameBack, out expiry)
            .Instances.Select(instance => instance.Id.Value)];

    private static ServiceSnapshot Snapshot(params ServiceInstance[] instances) => new(Orders, EquatableArray.From(instances));

    private static ServiceInstance Instance(string id, InstanceHealth health = InstanceHealth.Passing, int port = 1) => new()
    {
        Id = new InstanceId(id),
        Service = Orders,
        ExpectedService = Orders,
        Endpoints = [new InstanceEndpoint(null, "127.0.0.1", port, InstanceSecurity.Mesh)],
        Health = health,
    };
}
