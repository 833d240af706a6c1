using System.Collections.Concurrent;
using MeshClient.Consul.Tests.Fakes;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Tests.Wire;

/// <summary>Many services through few connections.</summary>
public sealed class ManyWatchesTests
{
    private const int Watches = 300;
    private const int Slots = 64;
    private const int SpareConnections = 16;

    /// <summary>A watch that gives its slot away closes its connection, which counts here until the server has seen that.</summary>
    private const int ClosingConnections = 16;

    /// <summary>Period of 10 s, plus what two busy cores add.</summary>
    private static readonly TimeSpan LatestSight = TimeSpan.FromSeconds(14);

    /// <summary>Half a period: far less than a turn takes, and enough for what two busy cores add.</summary>
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(5);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Watch_ThreeHundredServices_StaysUnderTheBoundAndSeesEveryChange()
    {
        var catalog = new FakeCatalog();
        for (var i = 0; i < Watches; i++)
        {
            catalog.Set(Path(i), Instance(i, port: 1000));
        }

        await using var registry = await FakeRegistry.StartAsync(catalog.HandleAsync);
        using var plane = registry.CreatePlane(options =>
        {
            options.MaxParkedQueries = Slots;
            options.Wait = TimeSpan.FromMinutes(5);
        });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var ports = new ConcurrentDictionary<int, int>();
        var failures = new ConcurrentQueue<Exception>();
        var watching = Enumerable.Range(0, Watches)
            .Select(i => WatchAsync(plane, Name(i), port => ports[i] = port, failures, stop.Token)).ToList();
        await Eventually.TrueAsync(() => ports.Count == Watches, "all services are known");
        await Eventually.TrueAsync(() => Enumerable.Range(0, Watches).Sum(i => catalog.ParkedOn(Path(i))) == Slots, "all slots are used");

        for (var i = 0; i < Watches; i++)
        {
            catalog.Set(Path(i), Instance(i, port: 2000));
        }

        // A first read and a write get through at once while all slots are taken.
        var begin = TimeProvider.System.GetTimestamp();
        await plane.ReadInstancesAsync(Name(0), 0, Cancellation);
        await plane.DeregisterAsync(new InstanceId("x"), Cancellation);
        Assert.InRange(TimeProvider.System.GetElapsedTime(begin), TimeSpan.Zero, AtOnce);

        await SeenInTimeAsync(() => ports.Values.All(port => port == 2000));

        // By now the watches take turns. A change of some of them has to wait for their turn at most.
        int[] some = [.. Enumerable.Range(0, 10).Select(i => i * 29)];
        foreach (var i in some)
        {
            catalog.Set(Path(i), Instance(i, port: 3000));
        }

        await SeenInTimeAsync(() => some.All(i => ports[i] == 3000));
        Assert.Empty(failures);
        Assert.InRange(registry.PeakConnections, Slots, Slots + SpareConnections + ClosingConnections);
        await stop.CancelAsync();
        await Task.WhenAll(watching);
    }

    [Fact]
    public async Task Watch_MoreArriveWhileAllSlotsAreParkedForLong_TheySeeChangesToo()
    {
        var catalog = new FakeCatalog();
        catalog.Set(Path(0), Instance(0, port: 1000));
        catalog.Set(Path(1), Instance(1, port: 1000));
        await using var registry = await FakeRegistry.StartAsync(catalog.HandleAsync);
        using var plane = registry.CreatePlane(options =>
        {
            options.MaxParkedQueries = 1;
            options.Wait = TimeSpan.FromMinutes(5);
        });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var ports = new ConcurrentDictionary<int, int>();
        var failures = new ConcurrentQueue<Exception>();
        var first = WatchAsync(plane, Name(0), port => ports[0] = port, failures, stop.Token);
        await Eventually.TrueAsync(() => catalog.ParkedOn(Path(0)) == 1, "the first is parked for five minutes");

        var second = WatchAsync(plane, Name(1), port => ports[1] = port, failures, stop.Token);
        await Eventually.TrueAsync(() => catalog.ParkedOn(Path(1)) == 1, "the second has its turn");
        catalog.Set(Path(0), Instance(0, port: 2000));
        catalog.Set(Path(1), Instance(1, port: 2000));
        await Eventually.TrueAsync(() => ports.Values.All(port => port == 2000), "both see the change");

        Assert.Empty(failures);
        await stop.CancelAsync();
        await Task.WhenAll(first, second);
    }

    private static async Task SeenInTimeAsync(Func<bool> condition)
    {
        var begin = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begin) < LatestSight, "A change was not seen in time.");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation);
        }
    }

    private static string Path(int i) => $"/v1/health/service/service-{i}";

    private static ServiceName Name(int i) => ServiceName.Parse($"service-{i}");

    private static string Instance(int i, int port) => HealthJson.List(HealthJson.Native($"service-{i}", $"service-{i}-1", port));

    private static async Task WatchAsync(
        ConsulControlPlane plane, ServiceName service, Action<int> seen, ConcurrentQueue<Exception> failures, CancellationToken cancellationToken)
    {
        var index = 0UL;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var watched = await plane.ReadInstancesAsync(service, index, cancellationToken);
                index = watched.Index;
                seen(watched.Value.Instances[0].Endpoints[0].Port);
            }
            catch (OperationCanceledException)
            {
            }
            catch (ControlPlaneException e)
            {
                failures.Enqueue(e);
                return;
            }
        }
    }
}
