using System.Net;

namespace MeshClient.Simulation.Engine;

/// <summary>
/// Calls that come at a rate whatever becomes of the earlier ones, as those of many users do: a system that slows down gets no
/// relief from its callers.
/// </summary>
internal static class OpenLoad
{
    /// <summary>How long after the last call the clock still runs, so that all have ended.</summary>
    private static readonly TimeSpan Tail = TimeSpan.FromSeconds(30);

    /// <summary>Runs it to the end of its last call.</summary>
    public static async Task<Recording> RunAsync(
        VirtualClock clock, Chance chance, Func<TimeSpan, double> perSecond, TimeSpan length, Func<CancellationToken, Task<HttpStatusCode>> call)
    {
        var recording = new Recording();
        var begin = clock.Now;
        var failure = default(Exception);
        ScheduleNext();
        await clock.RunUntilAsync(begin + length + Tail);
        return failure is null ? recording : throw new InvalidOperationException("A simulated call broke the simulation.", failure);

        void ScheduleNext() => clock.At(clock.Now + chance.Exponential(perSecond(clock.Now - begin)), () =>
        {
            if (clock.Now - begin < length)
            {
                _ = MakeAsync();
                ScheduleNext();
            }
        });

        async Task MakeAsync()
        {
            var startedAt = clock.Now;
            try
            {
                var status = await call(CancellationToken.None);
                recording.Add(startedAt - begin, clock.Now - startedAt, status == HttpStatusCode.OK);
            }
            catch (Exception e)
            {
                failure ??= e;
            }
        }
    }
}
