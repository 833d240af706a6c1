using System.Diagnostics;
using System.Globalization;

namespace MeshClient.Benchmarks.Registry;

/// <summary>Many callers that wait for the same change.</summary>
internal static class Watchers
{
    private const int BufferBytes = 2048;

    /// <summary>Has them wait, and makes changes.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="count">How many.</param>
    /// <param name="rounds">How many changes.</param>
    /// <returns>
    /// Milliseconds from just before the change was sent until a watcher had its answer, of the first change, for which the
    /// server runs code it has not run before, and of those after it; and bytes of memory per watcher.
    /// </returns>
    public static async Task<(double[] First, double[] Later, double BytesEach)> RunAsync(RegistryProcess registry, int count, int rounds)
    {
        const string Path = "/v1/health/service/watched?passing&wait=600s";
        using var writer = await registry.ConnectAsync();
        await writer.CallAsync(RegistryRequests.Register("watched-1", "watched", 1000));
        await writer.CallAsync(RawConnection.Request("GET", "/v1/health/service/watched?passing"));
        var index = writer.Index;
        var before = registry.Resident;
        var watchers = new List<RawConnection>(count);
        try
        {
            for (var i = 0; i < count; i++)
            {
                watchers.Add(await registry.ConnectAsync(BufferBytes));
                await watchers[i].SendAsync(RawConnection.Request("GET", Indexed(Path, index)));
            }

            // Parked: each has been read and waits, before its memory is looked at.
            await Task.Delay(TimeSpan.FromMilliseconds(2000), TimeProvider.System);
            var each = (double)(registry.Resident - before) / count;
            double[] first = [];
            var later = new List<double>(count * rounds);
            for (var round = 0; round < rounds; round++)
            {
                var ends = new long[count];
                var answers = watchers.Select((watcher, i) => Task.Run(async () =>
                {
                    await watcher.ReadAsync();
                    ends[i] = Stopwatch.GetTimestamp();
                })).ToList();
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
                var sent = Stopwatch.GetTimestamp();
                await writer.CallAsync(RegistryRequests.Register("watched-1", "watched", 1001 + round));
                await Task.WhenAll(answers);
                double[] times = [.. ends.Select(end => Stopwatch.GetElapsedTime(sent, end).TotalMilliseconds).Order()];
                if (round == 0)
                {
                    first = times;
                }
                else
                {
                    later.AddRange(times);
                }

                foreach (var watcher in watchers)
                {
                    await watcher.SendAsync(RawConnection.Request("GET", Indexed(Path, watcher.Index)));
                }

                await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System);
            }

            later.Sort();
            return (first, [.. later], each);
        }
        finally
        {
            watchers.ForEach(watcher => watcher.Dispose());
        }
    }

    private static string Indexed(string path, ulong index) => $"{path}&index={index.ToString(CultureInfo.InvariantCulture)}";
}
