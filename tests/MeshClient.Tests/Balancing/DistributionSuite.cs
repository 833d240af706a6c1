using MeshClient.Balancing;
using MeshClient.Discovery;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

/// <summary>
/// How evenly a balancer shares calls, through ejections, rolling restarts and changed weights: run by each of them, each with
/// its own stated bound.
/// </summary>
public abstract class DistributionSuite : PickerContract
{
    private const int CallsEach = 2000;

    /// <summary>
    /// By how much of its fair share an instance may get more or less, over 2 000 calls for each instance. A draw by chance has a
    /// standard deviation of 1/sqrt(2000) = 2.2 %; five of them are 11 %.
    /// </summary>
    protected abstract double Spread { get; }

    /// <summary>The bound with unequal weights.</summary>
    protected virtual double WeightSpread => Spread;

    /// <summary>Whether the registry's weights decide the shares.</summary>
    protected virtual bool HonoursWeights => true;

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(50)]
    public void Share_EqualInstances_IsEven(int count)
    {
        var instances = TestInstances.Make(count, Time);
        AssertShares(Run(Build(instances), instances, count * CallsEach), [.. instances.Select(_ => 1.0)]);
    }

    [Fact]
    public void Share_OneEjected_GoesToTheOthersEvenly()
    {
        var instances = TestInstances.Make(10, Time);
        TestInstances.Eject(instances[4], Time.GetTimestamp());
        var shares = Run(Build(instances), instances, 10 * CallsEach, tried: []);
        Assert.Equal(0, shares[instances[4]]);
        AssertShares(shares, [.. instances.Select((_, i) => i == 4 ? 0.0 : 1.0)], EjectedSpread);
    }

    /// <summary>The bound while one of ten is ejected.</summary>
    protected virtual double EjectedSpread => Spread;

    [Fact]
    public void Share_RollingRestart_StaysEvenThroughout()
    {
        // Each of ten stops, is missed for a while, and comes back as another instance at another address.
        var instances = TestInstances.Make(10, Time);
        Run(Build(instances), instances, 10 * CallsEach);
        for (var restarted = 0; restarted < 10; restarted++)
        {
            var left = instances.Where((_, i) => i != restarted).ToArray();
            AssertShares(Run(Build(left), left, 9 * CallsEach), [.. left.Select(_ => 1.0)]);
            instances[restarted] = TestInstances.Make(TestInstances.Describe($"orders-{restarted}-again", 2001 + restarted), Time);
            AssertShares(Run(Build(instances), instances, 10 * CallsEach), [.. instances.Select(_ => 1.0)]);
        }
    }

    [Fact]
    public void Share_WeightsChange_FollowsThemOrIgnoresThem()
    {
        var instances = TestInstances.Make(5, Time);
        foreach (int[] weights in (int[][])[[1, 1, 1, 1, 1], [4, 1, 1, 1, 1], [4, 4, 2, 1, 1], [1, 1, 1, 1, 1]])
        {
            for (var i = 0; i < 5; i++)
            {
                instances[i].Describe(instances[i].Description with { Weight = weights[i] });
            }

            AssertShares(
                Run(Build(instances), instances, 5 * CallsEach), Array.ConvertAll(weights, weight => HonoursWeights ? (double)weight : 1), WeightSpread);
        }
    }

    [Fact]
    public void Share_ManyCallersAtOnce_IsEvenForEachInstance()
    {
        // 50 callers of 40 calls each: none knows of the others, and all begin at the same moment.
        var instances = TestInstances.Make(10, Time);
        var total = instances.ToDictionary(instance => instance, _ => 0);
        for (var caller = 0; caller < 50 * CallsEach / 200; caller++)
        {
            foreach (var (instance, calls) in Run(Build(instances), instances, 40))
            {
                total[instance] += calls;
            }
        }

        AssertShares(total, [.. instances.Select(_ => 1.0)]);
    }

    /// <summary>Makes calls one after the other, each of 1 ms.</summary>
    private protected Dictionary<InstanceState, int> Run(
        InstancePicker picker, InstanceState[] instances, int calls, InstanceState[]? tried = null)
    {
        var shares = instances.ToDictionary(instance => instance, _ => 0);
        for (var i = 0; i < calls; i++)
        {
            var picked = picker.TryPick(Call([], anyOut: tried is not null))!;
            shares[picked]++;
            picked.Load.Begin();
            Time.Advance(TimeSpan.FromMilliseconds(1));
            picked.Load.Observe(Time.TimestampFrequency / 1000.0, Time.GetTimestamp());
            picked.Load.End();
        }

        return shares;
    }

    private protected void AssertShares(Dictionary<InstanceState, int> shares, double[] weights, double? spread = null)
    {
        var sum = weights.Sum();
        var calls = shares.Values.Sum();
        Assert.All(shares.Values.Zip(weights), pair => Assert.InRange(
            pair.First,
            pair.Second / sum * calls * (1 - (spread ?? Spread)),
            pair.Second / sum * calls * (1 + (spread ?? Spread))));
    }
}
