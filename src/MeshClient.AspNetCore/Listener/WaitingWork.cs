using MeshClient.Transport;

namespace MeshClient.AspNetCore.Listener;

/// <summary>
/// Whether requests were waiting for a thread a moment ago. Then more answers are about to come: a request that has arrived waits in the
/// thread pool's queue, where those of a caller that makes one at a time never meet.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="waiting">How much waits in the thread pool, of whatever kind.</param>
internal sealed class WaitingWork(TimeProvider time, Func<long> waiting)
{
    /// <summary>For how long it counts: as long as writes have to come in to be close.</summary>
    public static readonly TimeSpan Moment = WriteCoalescer.RecentTime;

    private readonly long _moment = (long)(Moment.TotalSeconds * time.TimestampFrequency);
    private long _seenAt = long.MinValue / 2;

    /// <summary>Whether there was any within the last <see cref="Moment"/>, as far as was looked.</summary>
    public bool WasSeen()
    {
        var now = time.GetTimestamp();
        var age = now - Volatile.Read(ref _seenAt);
        // The pool looks at the queue of each of its threads.
        if (age < _moment / 2)
        {
            return true;
        }

        if (waiting() > 0)
        {
            Volatile.Write(ref _seenAt, now);
            return true;
        }

        return age < _moment;
    }
}
