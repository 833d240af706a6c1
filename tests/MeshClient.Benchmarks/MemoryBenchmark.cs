using System.Globalization;
using MeshClient.Testing;

namespace MeshClient.Benchmarks;

/// <summary>
/// What an instance costs that is known and has no connection: the managed memory of a client that knows 10 000 of them less that
/// of one that knows a single one, divided by the difference. The registry's own records are part of it.
/// </summary>
internal static class MemoryBenchmark
{
    private const int Many = 10_000;
    private const int Rounds = 5;

    public static async Task<int> RunAsync()
    {
        Print.Machine();
        var all = new List<double>();
        var records = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            var few = await MeasureAsync(1);
            var many = await MeasureAsync(Many);
            records.Add((many.Records - few.Records) / (double)(Many - 1));
            all.Add((many.All - few.All) / (double)(Many - 1));
        }

        Console.WriteLine("| what | B per instance |");
        Console.WriteLine("|---|---:|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| what the registry says of it | {Measurement.Median(records):F0} |"));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| what the client keeps of it besides | {Measurement.Median(all.Zip(records, (sum, part) => sum - part)):F0} |"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| together | {Measurement.Median(all):F0} |"));
        return 0;
    }

    private static async Task<(long Records, long All)> MeasureAsync(int count)
    {
        using var controlPlane = new InMemoryControlPlane();
        var stub = new StubHandler(null);
        await using var mesh = BenchmarkMesh.Create(controlPlane, stub);
        var before = Settled();
        controlPlane.SetInstances(BenchmarkMesh.Orders, [.. BenchmarkMesh.Instances(count, 1000)]);
        var records = Settled() - before;
        var destination = mesh.Destination(new Uri("https://orders/"));
        while (destination.Service.Snapshot is null || destination.Callable.Length != count)
        {
            await Task.Yield();
        }

        var all = Settled() - before;
        GC.KeepAlive(destination);
        return (records, all);
    }

    private static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }
}
