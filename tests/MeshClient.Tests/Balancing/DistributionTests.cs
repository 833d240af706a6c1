using System.Reflection;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

public sealed class PeakEwmaDistributionTests : DistributionSuite
{
    protected override double Spread => 0.12;

    // Of two idle ones it takes the one it has not heard of for longer, which favours the light a little.
    protected override double WeightSpread => 0.2;

    private protected override MeshBalancingOptions Options => new();
}

public sealed class LeastRequestDistributionTests : DistributionSuite
{
    protected override double Spread => 0.12;

    private protected override MeshBalancingOptions Options => new() { Policy = BalancingPolicy.LeastRequest };
}

public sealed class RoundRobinDistributionTests : DistributionSuite
{
    protected override double Spread => 0.001;

    protected override bool HonoursWeights => false;

    private protected override MeshBalancingOptions Options => new() { Policy = BalancingPolicy.RoundRobin };
}

public sealed class WeightedRoundRobinDistributionTests : DistributionSuite
{
    protected override double Spread => 0.005;

    private protected override MeshBalancingOptions Options => new() { Policy = BalancingPolicy.WeightedRoundRobin };
}

public sealed class RandomDistributionTests : DistributionSuite
{
    protected override double Spread => 0.12;

    private protected override MeshBalancingOptions Options => new() { Policy = BalancingPolicy.Random };
}

public sealed class ReportedLoadDistributionTests : DistributionSuite
{
    protected override double Spread => 0.01;

    private protected override MeshBalancingOptions Options => new() { Policy = BalancingPolicy.ReportedLoad };
}

/// <summary>An app's own picker, here by chance.</summary>
public sealed class UserPickerDistributionTests : DistributionSuite
{
    protected override double Spread => 0.12;

    protected override bool HonoursWeights => false;

    private protected override MeshBalancingOptions Options => new();

    private protected override InstancePicker Build(InstanceState[] instances) => new UserPicker(new AtRandom(Random), instances);

    private sealed class AtRandom(MeshRandom random) : IInstancePicker
    {
        public int Pick(in PickContext context) => random.Next(context.Candidates.Count);
    }
}

public sealed class ApertureContractTests : PickerContract
{
    private protected override MeshBalancingOptions Options => new() { Aperture = 12 };
}

public sealed class ZoneContractTests : PickerContract
{
    private protected override MeshBalancingOptions Options => new() { Zone = ZonePreference.Strict };

    protected override string? ZoneOf(int index) => (index % 3) switch { 0 => "a", 1 => "b", _ => null };

    private protected override InstancePicker Build(InstanceState[] instances) =>
        TestInstances.Balancer(Time, Options, zone: "a").Build(instances, new Dictionary<string, int>());
}

/// <summary>All of it at once: an aperture in each zone, newcomers held back, a policy by weight.</summary>
public sealed class EverythingContractTests : PickerContract
{
    private protected override MeshBalancingOptions Options => new()
    {
        Zone = ZonePreference.Strict,
        Aperture = 12,
        SlowStart = TimeSpan.FromSeconds(30),
        Policy = BalancingPolicy.WeightedRoundRobin,
    };

    protected override string? ZoneOf(int index) => (index % 2) == 0 ? "a" : "b";

    private protected override InstancePicker Build(InstanceState[] instances)
    {
        var balancer = TestInstances.Balancer(Time, Options, zone: "a");
        for (var i = 0; i < instances.Length; i += 3)
        {
            balancer.SlowStart!.Begin(instances[i], Time.GetTimestamp());
        }

        return balancer.Build(instances, new Dictionary<string, int> { ["a"] = instances.Length, ["b"] = instances.Length });
    }
}

public sealed class SlowStartContractTests : PickerContract
{
    private protected override MeshBalancingOptions Options => new() { SlowStart = TimeSpan.FromSeconds(30), Policy = BalancingPolicy.WeightedRoundRobin };
}

public sealed class DistributionSuiteTests
{
    [Fact]
    public void EveryPolicy_HasADistributionSuiteOfItsOwn()
    {
        var options = typeof(PickerContract).GetProperty("Options", BindingFlags.Instance | BindingFlags.NonPublic)!;
        var covered = new HashSet<BalancingPolicy>();
        foreach (var suite in typeof(DistributionSuite).Assembly.GetTypes().Where(type => !type.IsAbstract && type.IsSubclassOf(typeof(DistributionSuite))))
        {
            using var one = (DistributionSuite)Activator.CreateInstance(suite)!;
            covered.Add(((MeshBalancingOptions)options.GetValue(one)!).Policy ?? BalancingPolicy.PeakEwma);
        }

        Assert.Equal(Enum.GetValues<BalancingPolicy>(), covered.Order());
    }
}
