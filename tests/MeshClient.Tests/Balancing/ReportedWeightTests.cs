using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

public sealed class ReportedWeightTests
{
    private static readonly TimeSpan Blackout = TimeSpan.FromSeconds(10);
    private readonly FakeTimeProvider _time = new();
    private readonly ReportedWeight _weight = new();

    [Fact]
    public void At_ReportsAfterTheBlackout_IsCallsPerLoad()
    {
        Assert.Equal(0, Weight());
        Observe(0.5, 100, 0);
        Assert.Equal(0, Weight());
        _time.Advance(Blackout);
        Observe(0.25, 100, 0);
        Assert.Equal(400, Weight(), 9);
    }

    [Fact]
    public void At_Errors_CountAsLoad()
    {
        Observe(0.5, 100, 50);
        _time.Advance(Blackout);
        Assert.Equal(100, Weight(), 9);
    }

    [Fact]
    public void At_NoReportForLong_IsForgottenAndTheBlackoutBeginsAnew()
    {
        Observe(0.5, 100, 0);
        _time.Advance(MeshDefaults.ReportExpiry - TimeSpan.FromTicks(1));
        Assert.Equal(200, Weight(), 9);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(0, Weight());
        Observe(0.5, 100, 0);
        Assert.Equal(0, Weight());
    }

    [Fact]
    public void Observe_CallsAreNotTold_SaysNothing()
    {
        Observe(0.5, 0, 3);
        _time.Advance(Blackout);
        Assert.Equal(0, Weight());
    }

    [Fact]
    public void TryPick_OneReportsTwiceTheCapacity_GetsTwiceTheCallsAndTheUnknownTheMean()
    {
        var instances = TestInstances.Make(3, _time);
        var picker = TestInstances.Balancer(_time, new MeshBalancingOptions { Policy = BalancingPolicy.ReportedLoad })
            .Build(instances, new Dictionary<string, int>());
        Assert.All(Count(picker, instances), picks => Assert.Equal(1000, picks, 5.0));
        Report(instances[0], 0.25);
        Report(instances[1], 0.5);
        _time.Advance(Blackout);
        Report(instances[0], 0.25);
        Report(instances[1], 0.5);
        Assert.Equal([1333, 667, 1000], Count(picker, instances).Select(picks => picks), new Within(10));
    }

    [Theory]
    [InlineData(1e-310, 100, 0)]
    [InlineData(1, double.MaxValue, double.MaxValue)]
    [InlineData(1e-300, 1e300, 0)]
    [InlineData(1, 1e-320, 1e300)]
    public void Observe_ReportBeyondAllCapacity_SaysNothing(double utilization, double calls, double errors)
    {
        Observe(0.5, 100, 0);
        _time.Advance(Blackout);
        Observe(utilization, calls, errors);
        Assert.InRange(Weight(), 1, double.MaxValue / 2);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task TryPick_EveryoneReportsNonsense_PicksAllTheSame()
    {
        var instances = TestInstances.Make(3, _time);
        var picker = TestInstances.Balancer(_time, new MeshBalancingOptions { Policy = BalancingPolicy.ReportedLoad })
            .Build(instances, new Dictionary<string, int>());
        for (var i = 0; i < 2; i++)
        {
            foreach (var instance in instances)
            {
                (instance.ReportedWeight ??= new ReportedWeight()).Observe(
                    new LoadReport(1e-310, double.MaxValue, 0), _time.GetTimestamp(), _time.TimestampFrequency);
            }

            _time.Advance(Blackout);
        }

        // On another thread, because what goes wrong here would never come back.
        var share = await Task.Run(() => Count(picker, instances)).BoundedAsync();
        Assert.All(share, picks => Assert.Equal(1000, picks, 5.0));
    }

    private int[] Count(InstancePicker picker, InstanceState[] instances)
    {
        var (share, random) = (new int[instances.Length], new MeshRandom(1));
        for (var i = 0; i < 3000; i++)
        {
            share[Array.IndexOf(instances, picker.TryPick(new PickCall([], anyOut: false, random, _time.GetTimestamp())))]++;
        }

        return share;
    }

    private void Report(InstanceState instance, double utilization) => (instance.ReportedWeight ??= new ReportedWeight()).Observe(
        new LoadReport(utilization, 100, 0), _time.GetTimestamp(), _time.TimestampFrequency);

    private void Observe(double utilization, double calls, double errors) =>
        _weight.Observe(new LoadReport(utilization, calls, errors), _time.GetTimestamp(), _time.TimestampFrequency);

    private double Weight() => _weight.At(Blackout, _time.GetTimestamp(), _time.TimestampFrequency);

    private sealed class Within(int distance) : IEqualityComparer<int>
    {
        public bool Equals(int x, int y) => Math.Abs(x - y) <= distance;

        public int GetHashCode(int obj) => 0;
    }
}
