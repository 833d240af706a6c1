using System.Globalization;

namespace MeshClient.Benchmarks.Registry;

/// <summary>
/// MeshClient.Server against a real Consul, both with their data on disk, stage by stage in one run. Each stage has a fresh
/// process and folder unless it says otherwise; who goes first alternates.
/// </summary>
internal static class RegistryBenchmark
{
    private const int Instances = 5000;

    public static async Task<int> RunAsync(string[] args)
    {
        if (Environment.GetEnvironmentVariable("CONSUL_BIN") is not { } consul || !File.Exists(consul))
        {
            await Console.Error.WriteLineAsync("Set CONSUL_BIN to a Consul binary; tests/get-consul.sh prints the path of one.");
            return 2;
        }

        var wanted = args.Length > 1 ? args[1..] : Stages.Select(stage => stage.Name).ToArray();
        Print.Machine();
        Console.WriteLine("| what | callers | Consul /s | MeshClient.Server /s | ratio | Consul p50 / p99 ms | MeshClient.Server p50 / p99 ms |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|");
        foreach (var (_, run) in Stages.Where(stage => wanted.Contains(stage.Name)))
        {
            await run(() => RegistryProcess.StartConsulAsync(consul));
        }

        return 0;
    }

    private static readonly (string Name, Func<Func<Task<RegistryProcess>>, Task> Run)[] Stages =
    [
        ("register", RegisterAsync),
        ("writes", WritesAsync),
        ("reads", ReadsAsync),
        ("leaves", LeavesAsync),
        ("wake", WakeAsync),
        ("park", ParkAsync),
        ("start", StartAsync),
    ];

    private static async Task RegisterAsync(Func<Task<RegistryProcess>> startConsul)
    {
        foreach (var callers in (int[])[1, 16])
        {
            using var theirs = await startConsul();
            // One caller alone would take minutes to get to all of them; its rate falls as they pile up, so this flatters it.
            var theirCount = callers == 1 ? 1500 : Instances;
            var a = await RegistryLoad.RunCountAsync(theirs, callers, theirCount, RegistryRequests.RegisterNumber);
            theirs.Dispose();
            using var ours = await RegistryProcess.StartOursAsync();
            var b = await RegistryLoad.RunCountAsync(ours, callers, Instances, RegistryRequests.RegisterNumber);
            Row($"agent/service/register, {theirCount} (Consul) and {Instances} from empty", callers, a, b);
            if (callers == 16)
            {
                var more = await RegistryLoad.RunCountAsync(ours, callers, 15_000, number => RegistryRequests.RegisterNumber(Instances + number));
                Row("the same on, to 20 000 (Consul: its rate to 5 000)", callers, a, more);
            }
        }
    }

    private static async Task WritesAsync(Func<Task<RegistryProcess>> startConsul)
    {
        using var theirs = await startConsul();
        using var ours = await RegistryProcess.StartOursAsync();
        // What is there already would be no write; the nodes come first, once.
        foreach (var registry in (RegistryProcess[])[theirs, ours])
        {
            await RegistryLoad.RunCountAsync(registry, 1, RegistryRequests.Nodes, RegistryRequests.CatalogRegister);
        }

        var run = 1;
        foreach (var callers in (int[])[1, 16])
        {
            await BothAsync("catalog/register", callers, theirs, ours, number => RegistryRequests.CatalogRegister((run * 1_000_000) + number), () => run++);
            await BothAsync("KV put", callers, theirs, ours, RegistryRequests.PutKey);
        }
    }

    private static async Task ReadsAsync(Func<Task<RegistryProcess>> startConsul)
    {
        using var theirs = await startConsul();
        using var ours = await RegistryProcess.StartOursAsync();
        foreach (var registry in (RegistryProcess[])[theirs, ours])
        {
            await RegistryLoad.RunCountAsync(registry, 16, Instances, RegistryRequests.RegisterNumber);
            await RegistryLoad.RunCountAsync(registry, 16, 500, RegistryRequests.RegisterWide);
        }

        Console.WriteLine($"| memory with {Instances + 500} instances, MB | | {theirs.Resident / 1e6:F0} | {ours.Resident / 1e6:F0} | {(double)ours.Resident / theirs.Resident:F2} | | |");
        foreach (var callers in (int[])[1, 16])
        {
            await BothAsync("health/service, 10 instances", callers, theirs, ours, number => RegistryRequests.ReadService(number % Instances));
            await BothAsync("health/service, 100 instances", callers, theirs, ours, RegistryRequests.ReadWide);
        }

        Console.WriteLine($"| memory after the reads, MB | | {theirs.Resident / 1e6:F0} | {ours.Resident / 1e6:F0} | {(double)ours.Resident / theirs.Resident:F2} | | |");
    }

    private static async Task LeavesAsync(Func<Task<RegistryProcess>> startConsul)
    {
        using var theirs = await startConsul();
        using var ours = await RegistryProcess.StartOursAsync();
        var run = 0;
        foreach (var callers in (int[])[1, 16])
        {
            await BothAsync("new leaf certificate, limits off", callers, theirs, ours, number => RegistryRequests.Leaf(number, run), () => run++);
        }
    }

    private static async Task WakeAsync(Func<Task<RegistryProcess>> startConsul)
    {
        using var theirs = await startConsul();
        var (theirFirst, theirLater, theirBytes) = await Watchers.RunAsync(theirs, 1000, 12);
        theirs.Dispose();
        using var ours = await RegistryProcess.StartOursAsync();
        var (ourFirst, ourLater, ourBytes) = await Watchers.RunAsync(ours, 1000, 12);
        WakeRow("the first change until 1 000 watchers have it", theirFirst, ourFirst);
        WakeRow("a later change until 1 000 watchers have it", theirLater, ourLater);
        Console.WriteLine($"| memory of each of 1 000 parked watchers, kB | | {theirBytes / 1e3:F1} | {ourBytes / 1e3:F1} | {ourBytes / theirBytes:F2} | | |");
    }

    private static async Task ParkAsync(Func<Task<RegistryProcess>> startConsul)
    {
        using var ours = await RegistryProcess.StartOursAsync();
        var (first, later, ourBytes) = await Watchers.RunAsync(ours, 10_000, 6);
        WakeRow("the first change until 10 000 watchers have it", null, first);
        WakeRow("a later change until 10 000 watchers have it", null, later);
        Console.WriteLine($"| memory of each of 10 000 parked watchers, kB | | | {ourBytes / 1e3:F1} | | | |");
    }

    private static async Task StartAsync(Func<Task<RegistryProcess>> startConsul)
    {
        var first = await RegistryProcess.StartOursAsync();
        await RegistryLoad.RunCountAsync(first, 16, 10_000, RegistryRequests.RegisterNumber);
        var folder = first.Kill();
        try
        {
            for (var i = 0; i < 3; i++)
            {
                using var again = await RegistryProcess.StartOursAsync(folder);
                var read = await RegistryLoad.RunCountAsync(again, 1, 1, _ => RegistryRequests.ReadService(9_999));
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| start with 10 000 instances on disk, until the first answer, ms | | | {again.StartTime.TotalMilliseconds:F0} | | | first read {read.P50:F1} ms |"));
            }
        }
        finally
        {
            first.Dispose();
        }

        using var theirs = await startConsul();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"| start from empty, until roots are served, ms | | {theirs.StartTime.TotalMilliseconds:F0} | | | | |"));
    }

    private static async Task BothAsync(
        string what, int callers, RegistryProcess theirs, RegistryProcess ours, Func<int, byte[]> request, Action? between = null)
    {
        const double Seconds = 2;
        await RegistryLoad.RunForAsync(theirs, callers, 0.5, request);
        between?.Invoke();
        await RegistryLoad.RunForAsync(ours, callers, 0.5, request);
        between?.Invoke();
        var a = new List<LoadFigures>();
        var b = new List<LoadFigures>();
        for (var round = 0; round < 3; round++)
        {
            a.Add(await RegistryLoad.RunForAsync(theirs, callers, Seconds, request));
            between?.Invoke();
            b.Add(await RegistryLoad.RunForAsync(ours, callers, Seconds, request));
            between?.Invoke();
        }

        Row(what, callers, Median(a), Median(b));
    }

    private static LoadFigures Median(List<LoadFigures> figures) => new(
        Measurement.Median(figures.Select(one => one.PerSecond)),
        Measurement.Median(figures.Select(one => one.P50)),
        Measurement.Median(figures.Select(one => one.P99)));

    private static void Row(string what, int callers, LoadFigures theirs, LoadFigures ours) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"| {what} | {callers} | {theirs.PerSecond:F0} | {ours.PerSecond:F0} | **{ours.PerSecond / theirs.PerSecond:F1}** | {theirs.P50:F2} / {theirs.P99:F2} | {ours.P50:F2} / {ours.P99:F2} |"));

    private static void WakeRow(string what, double[]? theirs, double[] ours) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"| {what}, ms | | | | {(theirs is null ? string.Empty : $"**{RegistryLoad.Percentile(ours, 0.99) / RegistryLoad.Percentile(theirs, 0.99):F2}** (p99)")} | {(theirs is null ? string.Empty : $"{RegistryLoad.Percentile(theirs, 0.5):F1} / {RegistryLoad.Percentile(theirs, 0.99):F1}")} | {RegistryLoad.Percentile(ours, 0.5):F1} / {RegistryLoad.Percentile(ours, 0.99):F1} |"));
}
