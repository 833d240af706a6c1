using System.Net;

namespace MeshClient.Simulation.Engine;

/// <summary>How a simulated instance behaves over time.</summary>
internal sealed record InstanceBehaviour
{
    /// <summary>How many calls it works on at once.</summary>
    public int Workers { get; init; } = 64;

    /// <summary>How many more wait; others are answered 503.</summary>
    public int QueueLength { get; init; } = 10_000;

    /// <summary>The median of the time a call takes; log-normal.</summary>
    public TimeSpan Median { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>How many times the median its 99th percentile is.</summary>
    public double TailFactor { get; init; } = 4;

    /// <summary>From when on the registry lists it; 0: before the first call.</summary>
    public TimeSpan ListedFrom { get; init; }

    /// <summary>When it stands still, as in a garbage collection: what runs then ends later, by as much.</summary>
    public IReadOnlyList<(TimeSpan From, TimeSpan Length)> Pauses { get; init; } = [];

    /// <summary>By what its time per call is multiplied at a moment: a cold cache, a noisy neighbour.</summary>
    public Func<TimeSpan, double> Slowness { get; init; } = static _ => 1;

    /// <summary>The share of calls that end with 503 after all the work, at a moment.</summary>
    public Func<TimeSpan, double> FailureShare { get; init; } = static _ => 0;

    /// <summary>Whether it answers 503 at once, without any work, at a moment.</summary>
    public Func<TimeSpan, bool> Refuses { get; init; } = static _ => false;

    /// <summary>How long such an answer takes.</summary>
    public TimeSpan RefusalLatency { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>The call it makes itself before it answers; null: none.</summary>
    public Func<CancellationToken, Task<HttpStatusCode>>? Next { get; init; }

    public TimeSpan ServiceTime(Chance chance, TimeSpan now) => chance.LogNormal(Median, TailFactor) * Slowness(now);

    /// <summary>When work ends that would end at a moment if nothing stood still.</summary>
    public TimeSpan EndOf(TimeSpan begin, TimeSpan end)
    {
        foreach (var (from, length) in Pauses)
        {
            if (begin < from + length && end > from)
            {
                end += from + length - (begin > from ? begin : from);
            }
        }

        return end;
    }
}
