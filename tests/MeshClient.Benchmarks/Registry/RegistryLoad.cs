using System.Diagnostics;

namespace MeshClient.Benchmarks.Registry;

/// <summary>What a stage of load came to.</summary>
internal sealed record LoadFigures(double PerSecond, double P50, double P99);

/// <summary>Closed loops of callers on a registry.</summary>
internal static class RegistryLoad
{
    /// <summary>Runs for a time.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="callers">How many connections, each with one call at a time.</param>
    /// <param name="seconds">For how long.</param>
    /// <param name="request">Makes the request of a number, counted over all callers.</param>
    public static Task<LoadFigures> RunForAsync(RegistryProcess registry, int callers, double seconds, Func<int, byte[]> request)
    {
        var begin = Stopwatch.GetTimestamp();
        return RunAsync(registry, callers, request, _ => Stopwatch.GetElapsedTime(begin).TotalSeconds < seconds);
    }

    /// <summary>Runs a number of calls.</summary>
    public static Task<LoadFigures> RunCountAsync(RegistryProcess registry, int callers, int count, Func<int, byte[]> request) =>
        RunAsync(registry, callers, request, number => number < count);

    private static async Task<LoadFigures> RunAsync(
        RegistryProcess registry, int callers, Func<int, byte[]> request, Func<int, bool> goesOn)
    {
        var next = -1;
        var latencies = new List<double>[callers];
        var begin = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(i => Task.Run(async () =>
        {
            var own = latencies[i] = [];
            using var connection = await registry.ConnectAsync();
            for (var number = Interlocked.Increment(ref next); goesOn(number); number = Interlocked.Increment(ref next))
            {
                var bytes = request(number);
                var sent = Stopwatch.GetTimestamp();
                await connection.CallAsync(bytes);
                own.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
            }
        })));
        var elapsed = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        var all = latencies.SelectMany(own => own).Order().ToArray();
        return new LoadFigures(all.Length / elapsed, Percentile(all, 0.5), Percentile(all, 0.99));
    }

    /// <summary>A percentile of sorted values.</summary>
    public static double Percentile(double[] sorted, double share) =>
        sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * share))];
}
