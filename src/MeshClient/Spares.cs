using System.Collections.Concurrent;

namespace MeshClient;

/// <summary>
/// Keeps objects for use again, up to a number. The one given back last is the next one taken, without a queue between, as long
/// as one at a time is enough.
/// </summary>
/// <param name="most">How many are kept.</param>
internal sealed class Spares<T>(int most)
    where T : class
{
    private readonly ConcurrentQueue<T> _kept = new();
    private T? _last;
    private int _count;

    /// <summary>Takes one; null when none is left.</summary>
    public T? TryTake()
    {
        if (Volatile.Read(ref _last) is not null && Interlocked.Exchange(ref _last, null) is { } last)
        {
            return last;
        }

        if (Volatile.Read(ref _count) > 0 && _kept.TryDequeue(out var kept))
        {
            Interlocked.Decrement(ref _count);
            return kept;
        }

        return null;
    }

    /// <summary>Gives one back.</summary>
    /// <returns>False: there are enough, and it is not kept.</returns>
    public bool TryKeep(T spare)
    {
        if (Volatile.Read(ref _last) is null && Interlocked.CompareExchange(ref _last, spare, null) is null)
        {
            return true;
        }

        if (Interlocked.Increment(ref _count) <= most)
        {
            _kept.Enqueue(spare);
            return true;
        }

        Interlocked.Decrement(ref _count);
        return false;
    }
}
