using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.Transport;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Tests.Discovery;

public sealed class ServiceStateTests : IAsyncDisposable
{
    private static readonly DestinationName Name = new(TestInstances.Service, null, SchemePreference.Http);
    private readonly InMemoryControlPlane _plane = new();
    private readonly FakeTimeProvider _time = new();
    private readonly MeshRandom _random = new(1);
    private readonly TransportFactory _transports;
    private readonly ServiceState _state;

    public ServiceStateTests()
    {
        _transports = TestInstances.Transports(_time, _random);
        _state = Make(new MeshOptions());
    }

    public async ValueTask DisposeAsync()
    {
        await _state.DisposeAsync();
        _transports.Dispose();
        _plane.Dispose();
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Apply_ListChanges_StateOfWhatStaysIsKept()
    {
        await SetAsync(TestInstances.Describe("a", 1), TestInstances.Describe("b", 2));
        var (a, b) = (Callable("a"), Callable("b"));
        a.Load.Begin();
        await SetAsync(TestInstances.Describe("a", 1) with { Weight = 5 }, TestInstances.Describe("c", 3));
        Assert.Same(a, Callable("a"));
        Assert.Equal((5, 1), (a.Description.Weight, a.Load.InFlight));
        await SetAsync(TestInstances.Describe("a", 1), TestInstances.Describe("b", 2));
        Assert.NotSame(b, Callable("b"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Apply_CriticalForAWhile_StateIsKept()
    {
        await SetAsync(TestInstances.Describe("a", 1), TestInstances.Describe("b", 2));
        var a = Callable("a");
        await SetAsync(TestInstances.Describe("a", 1) with { Health = InstanceHealth.Critical }, TestInstances.Describe("b", 2) with { Weight = 0 });
        Assert.Empty(_state.GetDestination(Name).Callable.ToArray());
        Assert.Equal(new Unavailable(2, 2, 0, 0), _state.GetDestination(Name).Unavailable);
        await SetAsync(TestInstances.Describe("a", 1) with { Health = InstanceHealth.Warning }, TestInstances.Describe("b", 2));
        Assert.Same(a, Callable("a"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Apply_EjectedInstanceVanishes_ItsPlaceIsFree()
    {
        await SetAsync(TestInstances.Describe("a", 1), TestInstances.Describe("b", 2));
        TestInstances.Eject(Callable("a"), _time.GetTimestamp());
        Assert.Equal(1, _state.Health.Ejected);
        await SetAsync(TestInstances.Describe("b", 2), TestInstances.Describe("c", 3));
        Assert.Equal(0, _state.Health.Ejected);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("address")]
    [InlineData("service")]
    [InlineData("datacenter")]
    [InlineData("identity")]
    public async Task Apply_AnotherAddressOrIdentity_IsAnotherInstanceAndTheOldOneIsGone(string what)
    {
        await SetAsync(TestInstances.Describe("a", 1), TestInstances.Describe("b", 2));
        var old = Callable("a");
        TestInstances.Eject(old, _time.GetTimestamp());
        old.Transport.Acquire().Release();
        Assert.Equal(1, _transports.LiveTransports);
        var changed = what switch
        {
            "address" => TestInstances.Describe("a", 7),
            "service" => TestInstances.Describe("a", 1) with { ExpectedService = ServiceName.Parse("payments") },
            "datacenter" => TestInstances.Describe("a", 1) with { Datacenter = "dc2" },
            _ => TestInstances.Describe("a", 1) with { Identity = SpiffeId.Parse("spiffe://d/ns/default/dc/dc1/svc/x") },
        };
        await SetAsync(changed, TestInstances.Describe("b", 2));
        Assert.NotSame(old, Callable("a"));
        Assert.Equal(0, _transports.LiveTransports);
        Assert.Equal(0, _state.Health.Ejected);
        Assert.Throws<ObjectDisposedException>(() => old.Transport.Acquire());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetDestination_TwoNamesForTheSameEndpoint_ShareItsState()
    {
        await SetAsync(TestInstances.Describe("a", 1));
        var other = _state.GetDestination(Name with { Scheme = SchemePreference.Https });
        Assert.Same(Callable("a"), other.Callable[0]);
        Assert.NotSame(_state.GetDestination(Name), other);
        Assert.Same(other, _state.GetDestination(Name with { Scheme = SchemePreference.Https }));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task IsKnown_OnceThereWasAnInstance_ForGood()
    {
        await Eventually.HoldsAsync(() => _state.Snapshot is not null);
        Assert.False(_state.IsKnown);
        await SetAsync(TestInstances.Describe("a", 1));
        Assert.True(_state.IsKnown);
        await SetAsync();
        Assert.True(_state.IsKnown);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Apply_InstanceComesToFastOnes_GetsItsShareAtOnce(bool oneFails)
    {
        await SetAsync(TestInstances.Describe("a", 1), TestInstances.Describe("b", 2), TestInstances.Describe("c", 3));
        SimulatedCalls.SettleAt(_state.GetDestination(Name).Callable, milliseconds: 1, _time);
        if (oneFails)
        {
            SimulatedCalls.Fail(Callable("c"), _time);
        }

        await SetAsync(
            TestInstances.Describe("a", 1), TestInstances.Describe("b", 2), TestInstances.Describe("c", 3), TestInstances.Describe("d", 4));
        var instances = _state.GetDestination(Name).Callable.ToArray();
        var share = SimulatedCalls.Run(instances, 1000, milliseconds: 1, _time, _random);
        Assert.InRange(share[Array.FindIndex(instances, one => one.Description.Id.Value == "d")], 200, 450);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Apply_FailedInstanceIsCriticalAndThenPassing_GetsItsShareAtOnce()
    {
        var others = new[] { TestInstances.Describe("a", 1), TestInstances.Describe("b", 2) };
        var failing = TestInstances.Describe("c", 3);
        await SetAsync([.. others, failing]);
        SimulatedCalls.SettleAt(_state.GetDestination(Name).Callable, milliseconds: 1, _time);
        SimulatedCalls.Fail(Callable("c"), _time);
        await SetAsync([.. others, failing with { Health = InstanceHealth.Critical }]);
        await SetAsync([.. others, failing]);
        var instances = _state.GetDestination(Name).Callable.ToArray();
        var share = SimulatedCalls.Run(instances, 1000, milliseconds: 1, _time, _random);
        Assert.InRange(share[Array.FindIndex(instances, one => one.Description.Id.Value == "c")], 250, 450);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetDestination_FirstOfAServiceWithHealthChecks_ChecksBegin()
    {
        var options = new MeshOptions();
        (options.Defaults.Health.Probe.Kind, options.Defaults.Health.Probe.Interval) = (ProbeKind.Tcp, TimeSpan.FromMilliseconds(100));
        var state = Make(options);
        // So many that some are due at once; by now nobody has called for so long that none is made.
        _plane.SetInstances(TestInstances.Service, [.. Enumerable.Range(1, 1000).Select(i => TestInstances.Describe($"i{i}", i))]);
        _time.Advance(MeshDefaults.ProbeIdleTimeout * 2);
        await Eventually.HoldsAsync(() =>
        {
            _time.Advance(TimeSpan.FromMilliseconds(50));
            return state.Snapshot?.Instances.Count == 1000;
        });
        Assert.Equal(1000, state.GetDestination(Name).Callable.Length);
        // Throws what a check has thrown.
        await state.DisposeAsync();
    }

    private ServiceState Make(MeshOptions options) => new(
        TestInstances.Service,
        _plane,
        DestinationSettings.For(options, "orders"),
        false,
        new WatchRunner(_time, _random, NullLogger<WatchRunner>.Instance),
        _transports,
        _time,
        _random,
        TestInstances.Balancer(_time));

    private InstanceState Callable(string id) =>
        _state.GetDestination(Name).Callable.ToArray().Single(instance => instance.Description.Id.Value == id);

    private async Task SetAsync(params ServiceInstance[] instances)
    {
        _state.GetDestination(Name);
        _plane.SetInstances(TestInstances.Service, instances);
        await Eventually.HoldsAsync(() =>
        {
            // The watch is limited to a few answers a second.
            _time.Advance(TimeSpan.FromMilliseconds(50));
            return _state.Snapshot is { } snapshot && snapshot.Instances.SequenceEqual(instances);
        });
    }
}
