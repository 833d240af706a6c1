using System.Globalization;
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

    // 450 calls a second from all clients. One of half the capacity has to get half of what each of the others gets; so has one that
    // other work takes 30 % of, because all three are at 60 % then.
    [Theory]
    [InlineData(400, 200, 0)]
    [InlineData(300, 300, 0.3)]
    public void TryPick_ClientsThatDoNotSeeEachOther_EachAndAllShareByTheCapacity(double capacity, double capacityOfLast, double otherWork)
    {
        var (last, others) = (0.2, 0.4);
        var servers = MakeServers(capacity, capacityOfLast, otherWork, reports: true);
        var shares = CallFromAll(servers);
        Assert.All(shares, share =>
        {
            Assert.All(share[..2], part => Assert.InRange(part, others * 0.92, others * 1.08));
            Assert.InRange(share[2], last * 0.9, last * 1.1);
        });
        Assert.InRange(ShareOf(servers, 2), last * 0.95, last * 1.05);
        Assert.All(servers, server => Assert.InRange(server.Utilization, servers[0].Utilization * 0.85, servers[0].Utilization * 1.15));
    }

    [Theory]
    [InlineData(400, 200, 0)]
    [InlineData(300, 300, 0.3)]
    public void TryPick_TheSameClientsWithoutReports_EachAndAllShareEvenly(double capacity, double capacityOfLast, double otherWork)
    {
        var servers = MakeServers(capacity, capacityOfLast, otherWork, reports: false);
        var shares = CallFromAll(servers);
        Assert.All(shares, share => Assert.All(share, part => Assert.InRange(part, 0.33, 0.337)));
        Assert.InRange(ShareOf(servers, 2), 0.33, 0.337);
        Assert.True(servers[2].Utilization > servers[0].Utilization * 1.5, $"{servers[2].Utilization} and {servers[0].Utilization}");
    }

    // Three servers, and four clients of 250, 125, 50 and 25 calls a second, with nothing in common but the clock. Which part of each
    // client's calls each server gets, over a minute, once the blackout is over and the shares have settled.
    private double[][] CallFromAll(Server[] servers)
    {
        const int settledAt = 30_000;
        const int end = 90_000;
        var clients = ((int[])[4, 8, 20, 40]).Select((period, i) => new Client(period, _time, seed: 100 + (ulong)i)).ToArray();
        for (var millisecond = 0; millisecond < end; millisecond++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            foreach (var client in clients.Where(client => millisecond % client.Period == 0))
            {
                client.Call(servers, counts: millisecond >= settledAt);
            }
        }

        return Array.ConvertAll(clients, client => Array.ConvertAll(client.Answered, answered => (double)answered / client.Answered.Sum()));
    }

    private Server[] MakeServers(double capacity, double capacityOfLast, double otherWork, bool reports) =>
        [new(capacity, 0, reports, _time), new(capacity, 0, reports, _time), new(capacityOfLast, otherWork, reports, _time)];

    private static double ShareOf(Server[] servers, int index) => (double)servers[index].Counted / servers.Sum(server => server.Counted);

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

    // What one process knows: its own state of each instance, its own picker, its own chance.
    private sealed class Client
    {
        private readonly TimeProvider _time;
        private readonly MeshRandom _random;
        private readonly InstanceState[] _instances;
        private readonly InstancePicker _picker;

        public Client(int period, TimeProvider time, ulong seed)
        {
            (Period, _time, _random) = (period, time, new MeshRandom(seed));
            _instances = TestInstances.Make(3, time);
            _picker = TestInstances.Balancer(time, new MeshBalancingOptions { Policy = BalancingPolicy.ReportedLoad }, random: _random)
                .Build(_instances, new Dictionary<string, int>());
        }

        // Milliseconds from one call to the next.
        public int Period { get; }

        public int[] Answered { get; } = new int[3];

        public void Call(Server[] servers, bool counts)
        {
            var now = _time.GetTimestamp();
            var picked = Array.IndexOf(_instances, _picker.TryPick(new PickCall([], anyOut: false, _random, now)));
            using var response = servers[picked].Answer(counts);
            Answered[picked] += counts ? 1 : 0;
            if (LoadReport.TryRead(response, out var report))
            {
                (_instances[picked].ReportedWeight ??= new ReportedWeight()).Observe(report, now, _time.TimestampFrequency);
            }
        }
    }

    // Tells what the last second was like, whoever called.
    private sealed class Server(double capacity, double otherWork, bool reports, TimeProvider time)
    {
        private readonly Queue<long> _lastSecond = new();

        public int Counted { get; private set; }

        public double Utilization => (_lastSecond.Count / capacity) + otherWork;

        public HttpResponseMessage Answer(bool counts)
        {
            var now = time.GetTimestamp();
            _lastSecond.Enqueue(now);
            while (_lastSecond.Peek() <= now - time.TimestampFrequency)
            {
                _lastSecond.Dequeue();
            }

            Counted += counts ? 1 : 0;
            var response = new HttpResponseMessage();
            if (reports)
            {
                response.Headers.Add("endpoint-load-metrics", string.Create(
                    CultureInfo.InvariantCulture, $"cpu_utilization={Utilization}, rps_fractional={_lastSecond.Count}"));
            }

            return response;
        }
    }

    private sealed class Within(int distance) : IEqualityComparer<int>
    {
        public bool Equals(int x, int y) => Math.Abs(x - y) <= distance;

        public int GetHashCode(int obj) => 0;
    }
}
