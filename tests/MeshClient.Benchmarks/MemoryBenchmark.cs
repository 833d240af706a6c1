using System.Globalization;
using MeshClient.Core;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
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
        // All live until the end: what dies while another is measured would be taken off that one's size.
        var meshes = new List<BenchmarkMesh>();
        var all = new List<double>();
        var records = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            var few = await MeasureAsync(1, meshes);
            var many = await MeasureAsync(Many, meshes);
            records.Add((many.Records - few.Records) / (double)(Many - 1));
            all.Add((many.All - few.All) / (double)(Many - 1));
        }

        foreach (var mesh in meshes)
        {
            await mesh.DisposeAsync();
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

    private static async Task<(long Records, long All)> MeasureAsync(int count, List<BenchmarkMesh> meshes)
    {
        var controlPlane = new InMemoryControlPlane();
        var before = Settled();
        var registry = new FixedRegistry(BenchmarkMesh.Instances(count, 1000));
        var records = Settled() - before;
        var mesh = BenchmarkMesh.Create(controlPlane, new StubHandler(null), instances: registry);
        meshes.Add(mesh);
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

    // Keeps no more than what the client gets, or the copies a registry keeps would be counted as the client's.
    private sealed class FixedRegistry(EquatableArray<ServiceInstance> instances) : IInstanceSource
    {
        private const ulong Only = 1;

        public async Task<Watched<ServiceSnapshot>> ReadInstancesAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
        {
            if (index == Only)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }

            return new Watched<ServiceSnapshot>(new ServiceSnapshot(service, instances), Only);
        }
    }
}
