using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

/// <summary>What is owed besides by a policy that goes by a key: the same key, the same instance, and little moves when instances do.</summary>
public abstract class HashDistributionSuite : DistributionSuite
{
    private const int Keys = 20_000;

    /// <summary>Which part of the keys of instances that stay may move when one of ten goes.</summary>
    protected abstract double Disruption { get; }

    [Fact]
    public void TryPick_SameKey_SameInstanceFromEveryCallerAndInAnyOrder()
    {
        var instances = TestInstances.Make(10, Time, i => 1 + (i % 3));
        var (one, other) = (Build(instances), Build([.. instances.Reverse()]));
        for (var i = 0; i < 1000; i++)
        {
            using var request = Request($"user-{i}");
            Assert.Same(Pick(one, request), Pick(other, request));
        }
    }

    [Fact]
    public void TryPick_NoKey_GoesAnywhere()
    {
        var instances = TestInstances.Make(5, Time);
        var picker = Build(instances);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        var picked = Enumerable.Range(0, 200).Select(_ => Pick(picker, request)).ToHashSet();
        Assert.Equal(5, picked.Count);
    }

    [Fact]
    public void Owners_OneGoes_OnlyItsKeysMove()
    {
        var instances = TestInstances.Make(10, Time);
        var before = Owners(instances);
        var after = Owners([.. instances.Where((_, i) => i != 6)]);
        var stayed = before.Zip(after).Where(pair => pair.First != instances[6]).ToList();
        Assert.InRange(stayed.Count(pair => pair.First != pair.Second), 0, (int)(stayed.Count * Disruption));

        // Its keys went to all the others, not to one.
        var heirs = before.Zip(after).Where(pair => pair.First == instances[6]).CountBy(pair => pair.Second).ToList();
        Assert.Equal(9, heirs.Count);
    }

    [Fact]
    public void Owners_OneComes_TakesAboutItsShareAndNobodyElseGains()
    {
        var instances = TestInstances.Make(11, Time);
        var before = Owners(instances[..10]);
        var after = Owners(instances);
        var moved = before.Zip(after).Where(pair => pair.First != pair.Second).ToList();
        Assert.InRange(moved.Count, Keys / 11 * 0.7, (Keys / 11 * 1.3) + (Keys * Disruption));
        Assert.InRange(moved.Count(pair => pair.Second != instances[10]), 0, (int)(Keys * Disruption));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(32)]
    [InlineData(33)]
    public void Owners_OneGoesOfAnyNumber_OnlyItsKeysMove(int count)
    {
        var instances = TestInstances.Make(count, Time);
        var (before, after) = (Owners(instances), Owners(instances[..^1]));
        var stayed = before.Zip(after).Where(pair => pair.First != instances[^1]).ToList();
        Assert.InRange(stayed.Count(pair => pair.First != pair.Second), 0, (int)(stayed.Count * Disruption));
    }

    [Fact]
    public void Owners_OneGetsALesserWeight_OnlyItsKeysMove()
    {
        var instances = TestInstances.Make(5, Time, _ => 10);
        var before = Owners(instances);
        instances[3].Describe(instances[3].Description with { Weight = 1 });
        var after = Owners(instances);
        var stayed = before.Zip(after).Where(pair => pair.First != instances[3]).ToList();
        Assert.InRange(stayed.Count(pair => pair.First != pair.Second), 0, (int)(stayed.Count * Disruption));
        Assert.InRange(after.Count(owner => owner == instances[3]), Keys / 41 * 0.5, Keys / 41 * 1.5);
    }

    [Fact]
    public void Owners_OneIsEjected_OnlyItsKeysMoveAndTheyComeBack()
    {
        var instances = TestInstances.Make(10, Time);
        var picker = Build(instances);
        var before = Owners(picker, anyOut: false);
        TestInstances.Eject(instances[2], Time.GetTimestamp());
        var during = Owners(picker, anyOut: true);
        Assert.All(before.Zip(during), pair => Assert.True(pair.First == instances[2] ? pair.Second != instances[2] : pair.First == pair.Second));
        Assert.True(before.Zip(during).Where(pair => pair.First == instances[2]).Select(pair => pair.Second).Distinct().Count() >= 8);
        instances[2].Ejection.SetListed(false);
        Assert.Equal(before, Owners(picker, anyOut: true));
    }

    [Fact]
    public void TryPick_BoundedLoad_OnePopularKeyNeverTakesMoreThanTheBound()
    {
        var instances = TestInstances.Make(10, Time);
        var options = Options;
        options.BoundedLoad = 1.25;
        var picker = TestInstances.Balancer(Time, options).Build(instances, new Dictionary<string, int>());
        using var request = Request("popular");
        var first = Pick(picker, request);
        for (var total = 0; total < 200; total++)
        {
            var picked = Pick(picker, request);
            picked.Load.Begin();
            Assert.True(picked.Load.InFlight <= Math.Ceiling(1.25 * (total + 1) / 10), $"{picked.Load.InFlight} of {total + 1}");
        }

        // Its own instance is as full as it may be.
        Assert.Equal(25, first.Load.InFlight);
    }

    [Fact]
    public void TryPick_BoundedLoadAndSomeAreOut_TheBoundIsOfThoseThatAreLeft()
    {
        var instances = TestInstances.Make(10, Time, allMayBeEjected: true);
        var options = Options;
        options.BoundedLoad = 1.25;
        var picker = TestInstances.Balancer(Time, options).Build(instances, new Dictionary<string, int>());
        foreach (var gone in instances[..4])
        {
            TestInstances.Eject(gone, Time.GetTimestamp());
            // What was sent there before has not come back, and takes no room from the others.
            Enumerable.Range(0, 50).ToList().ForEach(_ => gone.Load.Begin());
        }

        using var request = Request("popular");
        for (var total = 0; total < 200; total++)
        {
            var picked = picker.TryPick(new PickCall([], anyOut: true, Random, Time.GetTimestamp()) { Request = request })!;
            picked.Load.Begin();
            Assert.True(picked.Load.InFlight <= Math.Ceiling(1.25 * (total + 1) / 6), $"{picked.Load.InFlight} of {total + 1}");
        }
    }

    private InstanceState Pick(InstancePicker picker, HttpRequestMessage request) =>
        picker.TryPick(new PickCall([], anyOut: false, Random, Time.GetTimestamp()) { Request = request })!;

    private InstanceState[] Owners(InstanceState[] instances) => Owners(Build(instances), anyOut: false);

    private InstanceState[] Owners(InstancePicker picker, bool anyOut)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        var owners = new InstanceState[Keys];
        for (var i = 0; i < Keys; i++)
        {
            request.Headers.Remove("x-key");
            request.Headers.TryAddWithoutValidation("x-key", $"user-{i}");
            owners[i] = picker.TryPick(new PickCall([], anyOut, Random, Time.GetTimestamp()) { Request = request })!;
        }

        return owners;
    }
}

public sealed class RingHashDistributionTests : HashDistributionSuite
{
    // Shares within 1/sqrt(330) = 5.5 %, four of these, and the sampling of keys.
    protected override double Spread => 0.25;

    // Nothing moves on a ring but what has to.
    protected override double Disruption => 0;

    private protected override MeshBalancingOptions Options => new()
    {
        Policy = BalancingPolicy.RingHash,
        HashKey = "header:x-key",
        RingPoints = 330,
    };
}

public sealed class MaglevDistributionTests : HashDistributionSuite
{
    // The table's places differ by 1 in 1 310 at 50 instances; the rest is the sampling of keys.
    protected override double Spread => 0.12;

    // An ejected one's keys are drawn anew from the table, as by chance.
    protected override double EjectedSpread => 0.14;

    protected override double Disruption => 0.05;

    private protected override MeshBalancingOptions Options => new() { Policy = BalancingPolicy.Maglev, HashKey = "header:x-key" };
}
