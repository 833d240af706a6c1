using System.Diagnostics;
using System.Net;
using MeshClient.Outbound;

namespace MeshClient.Benchmarks;

/// <summary>
/// Calls at a fixed rate, whatever comes of those before: as people do, who do not know how busy a service is. Each call's time
/// counts from when it was due, so that one that could not be started in time is not flattered.
/// </summary>
internal sealed class OpenLoop(HttpClient client, Uri uri, TimeSpan deadline)
{
    private readonly Lock _lock = new();
    private readonly List<double> _good = [];
    private int _shed;
    private int _refused;
    private int _late;

    /// <summary>Calls for a while, and waits for the last answer.</summary>
    public async Task<OpenLoopResult> RunAsync(double perSecond, TimeSpan duration)
    {
        _good.Clear();
        (_shed, _refused, _late) = (0, 0, 0);
        var calls = new List<Task>();
        var started = Stopwatch.GetTimestamp();
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        var sent = 0;
        while (Stopwatch.GetElapsedTime(started) < duration)
        {
            await ticks.WaitForNextTickAsync();
            var due = Math.Min(Stopwatch.GetElapsedTime(started).TotalSeconds, duration.TotalSeconds) * perSecond;
            for (; sent < due; sent++)
            {
                calls.Add(CallAsync(started + (long)(sent / perSecond * Stopwatch.Frequency)));
            }
        }

        await Task.WhenAll(calls);
        var sorted = _good.Order().ToArray();
        var seconds = duration.TotalSeconds;
        return new OpenLoopResult(
            sent / seconds, sorted.Length / seconds, _shed / seconds, _refused / seconds, _late / seconds, At(sorted, 0.5), At(sorted, 0.99));
    }

    private static double At(double[] sorted, double share) => sorted.Length == 0 ? double.NaN : sorted[(int)((sorted.Length - 1) * share)];

    private async Task CallAsync(long due)
    {
        try
        {
            using var response = await client.GetAsync(uri);
            var took = Stopwatch.GetElapsedTime(due);
            lock (_lock)
            {
                if (response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests)
                {
                    _shed++;
                }
                else if (response.IsSuccessStatusCode && took <= deadline)
                {
                    _good.Add(took.TotalMilliseconds);
                }
                else
                {
                    _late++;
                }
            }
        }
        catch (MeshCallException e)
        {
            Interlocked.Increment(ref e.Reason is MeshFailureReason.Overloaded or MeshFailureReason.QueueFull or MeshFailureReason.QueueTimeout ? ref _refused : ref _late);
        }
    }
}

/// <summary>What came of calls at a fixed rate, per second.</summary>
/// <param name="Offered">Made.</param>
/// <param name="Good">Answered in time.</param>
/// <param name="Shed">Refused by the service.</param>
/// <param name="Refused">Refused by the caller's own process.</param>
/// <param name="Late">Not answered in time, or with an error.</param>
/// <param name="P50">The median of those answered in time, in milliseconds.</param>
/// <param name="P99">The 99th percentile of the same.</param>
internal sealed record OpenLoopResult(double Offered, double Good, double Shed, double Refused, double Late, double P50, double P99);
