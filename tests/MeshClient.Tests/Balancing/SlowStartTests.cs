using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

public sealed class SlowStartTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly MeshRandom _random = new(1);

    [Theory]
    [InlineData(1, 0, 0.1)]
    [InlineData(1, 1, 0.1)]
    [InlineData(1, 5, 0.5)]
    [InlineData(1, 9.9, 0.99)]
    [InlineData(1, 10, 1)]
    [InlineData(2, 2.5, 0.5)]
    [InlineData(0.5, 5, 0.25)]
    public void Share_Age_IsTheFormula(double aggression, double age, double expected)
    {
        var slowStart = new SlowStart(TimeSpan.FromSeconds(10), 0.1, aggression, _time.TimestampFrequency);
        Assert.Equal(expected, slowStart.Share((long)(age * _time.TimestampFrequency)), 1e-6);
    }

    [Theory]
    [InlineData(BalancingPolicy.PeakEwma)]
    [InlineData(BalancingPolicy.LeastRequest)]
    [InlineData(BalancingPolicy.RoundRobin)]
    [InlineData(BalancingPolicy.WeightedRoundRobin)]
    [InlineData(BalancingPolicy.Random)]
    [InlineData(BalancingPolicy.ReportedLoad)]
    public void TryPick_OneHasJustCome_GetsMoreAndMoreUntilItsFullShare(BalancingPolicy policy)
    {
        var instances = TestInstances.Make(4, _time);
        SimulatedCalls.SettleAt(instances, 1, _time);
        var balancer = TestInstances.Balancer(_time, new MeshBalancingOptions { Policy = policy, SlowStart = TimeSpan.FromSeconds(100) });
        balancer.SlowStart!.Begin(instances[3], _time.GetTimestamp());
        var picker = balancer.Build(instances, new Dictionary<string, int>());
        var shares = new List<double>();
        for (var tenth = 0; tenth < 11; tenth++)
        {
            shares.Add(Count(picker, instances, TimeSpan.FromSeconds(10)) / 1000.0);
        }

        // The fair share is a quarter; of it at first a tenth, after half the time a half, in the end all.
        Assert.InRange(shares[0], 0.01, 0.05);
        Assert.InRange(shares[5], 0.09, 0.2);
        Assert.InRange(shares[10], 0.2, 0.3);
        Assert.True(balancer.SlowStart.IsOver(_time.GetTimestamp()));
    }

    private int Count(InstancePicker picker, InstanceState[] instances, TimeSpan span)
    {
        var last = 0;
        for (var i = 0; i < 1000; i++)
        {
            var picked = picker.TryPick(new PickCall([], anyOut: false, _random, _time.GetTimestamp()))!;
            last += picked == instances[3] ? 1 : 0;
            _time.Advance(span / 1000);
            picked.Load.Observe(_time.TimestampFrequency / 1000.0, _time.GetTimestamp());
        }

        return last;
    }
}
