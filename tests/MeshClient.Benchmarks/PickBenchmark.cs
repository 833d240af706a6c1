using System.Diagnostics;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Discovery;
using MeshClient.Health;

namespace MeshClient.Benchmarks;

/// <summary>One choice of an instance.</summary>
internal static class PickBenchmark
{
    private static InstanceState? _sink;

    public static int Run()
    {
        Print.Machine();
        var random = new MeshRandom(1);
        Print.Rows("Pick: power of two choices over Peak-EWMA", Measurement.Compare(
            [.. ((int[])[3, 100, 1000, 10_000]).Select(count => Variant(count, random))]));
        return 0;
    }

    private static Variant Variant(int count, MeshRandom random)
    {
        var now = Stopwatch.GetTimestamp();
        var health = new ServiceHealth(
            default, HealthSettings.For(null, new MeshHealthOptions()), TimeProvider.System, random);
        var instances = BenchmarkMesh.Instances(count, 1000).Select(instance => new InstanceState(
            instance,
            instance.Endpoints[0],
            new PeakEwma(1000 + random.Next(1000), MeshDefaults.LatencyDecay.TotalSeconds * Stopwatch.Frequency, now),
            1,
            new EjectionState(health),
            null!)).ToArray();
        var picker = new TwoChoicesPicker<LatencyCost>(instances);
        return new Variant($"{count} instances", () => _sink = picker.TryPick(new PickCall([], anyOut: false, random, now)));
    }
}
