using System.Diagnostics;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Discovery;
using MeshClient.Health;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Benchmarks;

/// <summary>One choice of an instance, by every policy, among few and many.</summary>
internal static class PickBenchmark
{
    private static readonly int[] Counts = [3, 100, 1000, 10_000];
    // So many that a pick is not measured together with the call of what makes it.
    private const int PicksPerOperation = 16;

    private static readonly MeshRandom Random = new();
    // What is picked is looked at, and not kept: a reference that is kept costs the garbage collector's write barrier.
    private static bool _found = true;

    public static int Run(string[] policies)
    {
        Print.Machine();
        foreach (var policy in Enum.GetValues<BalancingPolicy>().Where(policy => policies.Length == 0 || policies.Contains(policy.ToString())))
        {
            Print.Rows($"Pick: {policy}", Compare([.. Counts.Select(count => Variant(count, Options(policy)))]));
        }

        Print.Rows("Pick: PeakEwma, every other instance busy", Compare(
            [.. Counts.Select(count => Variant(count, Options(BalancingPolicy.PeakEwma), inFlight: i => i % 2))]));
        Print.Rows("Pick: PeakEwma, unequal weights", Compare(
            [.. Counts.Select(count => Variant(count, Options(BalancingPolicy.PeakEwma), weight: i => 1 + (i % 5)))]));
        Print.Rows("Pick: PeakEwma, while any instance is ejected", Compare(
            [.. Counts.Select(count => Variant(count, Options(BalancingPolicy.PeakEwma), anyOut: true))]));
        return 0;
    }

    private static IEnumerable<Row> Compare(Variant[] variants) => Measurement.Compare(variants).Select(row => row with
    {
        Nanoseconds = row.Nanoseconds / PicksPerOperation,
        Bytes = row.Bytes / PicksPerOperation,
        AddedNanoseconds = row.AddedNanoseconds / PicksPerOperation,
        AddedBytes = row.AddedBytes / PicksPerOperation,
    });

    private static MeshBalancingOptions Options(BalancingPolicy policy) => new() { Policy = policy, HashKey = "header:x-user" };

    private static Variant Variant(
        int count, MeshBalancingOptions options, bool anyOut = false, Func<int, int>? weight = null, Func<int, int>? inFlight = null)
    {
        var now = Stopwatch.GetTimestamp();
        var health = new ServiceHealth(
            default, HealthSettings.For(null, new MeshHealthOptions()), TimeProvider.System, Random);
        var instances = BenchmarkMesh.Instances(count, 1000).Select((instance, i) =>
        {
            var state = new InstanceState(
                instance with { Weight = weight?.Invoke(i) ?? 1 }, instance.Endpoints[0], health, Stopwatch.Frequency, _ => null!);
            state.Load.Observe(1000 + Random.Next(1000), now);
            for (var calls = inFlight?.Invoke(i) ?? 0; calls > 0; calls--)
            {
                state.Load.Begin();
            }

            return state;
        }).ToArray();
        var fleet = new CallerFleet(
            null, null, new WatchRunner(TimeProvider.System, Random, NullLogger<WatchRunner>.Instance), Random);
        var picker = new ServiceBalancer(
            BalancingSettings.For(options, new MeshBalancingOptions()), null, fleet, null, TimeProvider.System, Random)
            .Build(instances, new Dictionary<string, int>());
        var request = new HttpRequestMessage(HttpMethod.Get, "https://orders/things/1");
        request.Headers.Add("x-user", "ann");
        return new Variant(
            $"{count} instances",
            () =>
            {
                for (var i = 0; i < PicksPerOperation; i++)
                {
                    _found &= picker.TryPick(new PickCall([], anyOut, Random, now) { Request = request }) is not null;
                }
            });
    }
}
