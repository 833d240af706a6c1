using System.Collections.Concurrent;

namespace MeshClient.Resilience;

/// <summary>
/// Keeps cancellation sources for use again: a fresh one with a timer costs 144 bytes and a new timer per attempt.
/// </summary>
internal sealed class TimerPool(TimeProvider time)
{
    private const int MaxKept = 256;

    private readonly ConcurrentQueue<CancellationTokenSource> _kept = new();
    private CancellationTokenSource? _last;
    private int _count;

    public CancellationTokenSource Rent()
    {
        if (Interlocked.Exchange(ref _last, null) is { } last)
        {
            return last;
        }

        if (_kept.TryDequeue(out var source))
        {
            Interlocked.Decrement(ref _count);
            return source;
        }

        return new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
    }

    /// <summary>Takes a source back that nothing is registered with any more.</summary>
    public void Return(CancellationTokenSource source)
    {
        if (!source.TryReset())
        {
            source.Dispose();
            return;
        }

        if (Interlocked.CompareExchange(ref _last, source, null) is null)
        {
            return;
        }

        if (Interlocked.Increment(ref _count) <= MaxKept)
        {
            _kept.Enqueue(source);
        }
        else
        {
            Interlocked.Decrement(ref _count);
            source.Dispose();
        }
    }
}
