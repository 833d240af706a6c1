using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Tests.Balancing;

/// <summary>Which picker a service gets; what the pickers do is shown with each of them.</summary>
public sealed class ServiceBalancerTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Build_NothingSaid_IsTwoChoicesByLatency() =>
        Assert.IsType<TwoChoicesPicker<LatencyCost>>(
            TestInstances.Balancer(_time).Build(TestInstances.Make(3, _time), new Dictionary<string, int>()));

    [Fact]
    public void Build_ApertureAndRankUnknown_EachProcessKeepsToASubsetOfItsOwn()
    {
        var instances = TestInstances.Make(60, _time);
        var subsets = Enumerable.Range(1, 20).Select(seed => Picked(instances, Unknown(new MeshRandom((ulong)seed)))).ToList();
        Assert.All(subsets, subset => Assert.Equal(15, subset.Count));
        // Together they know all, and no two of them the same.
        Assert.True(subsets.SelectMany(subset => subset).Distinct().Count() > 55);
        Assert.Equal(20, subsets.Select(subset => string.Join(',', subset)).Distinct().Count());
    }

    [Fact]
    public void Build_ApertureOfFewInstances_IsAllOfThem()
    {
        var instances = TestInstances.Make(15, _time);
        Assert.Equal(15, Picked(instances, Unknown(new MeshRandom(1))).Count);
    }

    private List<int> Picked(InstanceState[] instances, CallerFleet fleet)
    {
        var options = new MeshBalancingOptions { Policy = BalancingPolicy.Random, Aperture = 15 };
        var picker = TestInstances.Balancer(_time, options, fleet).Build(instances, new Dictionary<string, int>());
        var random = new MeshRandom(9);
        return [.. Enumerable.Range(0, 1000)
            .Select(_ => Array.IndexOf(instances, picker.TryPick(new PickCall([], anyOut: false, random, _time.GetTimestamp()))))
            .Distinct().Order()];
    }

    private CallerFleet Unknown(MeshRandom random) =>
        new(null, null, new WatchRunner(_time, random, NullLogger<WatchRunner>.Instance), random);
}
