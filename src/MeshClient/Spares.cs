using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace MeshClient;

/// <summary>
/// Keeps objects for use again, up to a number. Each processor has a place of its own, for the one given back last: a thread that
/// ends one call and begins the next takes what it has just given back, and no two processors fight for a cache line.
/// </summary>
/// <param name="most">How many are kept besides.</param>
internal sealed class Spares<T>(int most)
    where T : class
{
    private readonly Place[] _places = new Place[ProcessorStripe.Count + 1];
    private readonly ConcurrentQueue<T> _kept = new();
    private int _count;

    private ref T? Near => ref At(ProcessorStripe.Place);

    /// <summary>Takes one; null when none is left.</summary>
    public T? TryTake()
    {
        ref var near = ref Near;
        if (Volatile.Read(ref near) is not null && Interlocked.Exchange(ref near, null) is { } last)
        {
            return last;
        }

        if (Volatile.Read(ref _count) > 0 && _kept.TryDequeue(out var kept))
        {
            Interlocked.Decrement(ref _count);
            return kept;
        }

        // Before a new one is made: it may lie where another processor, or this thread on another, has left it.
        for (var i = 0; i < ProcessorStripe.Count; i++)
        {
            // Looked at first, since to write takes the line from the processor whose it is.
            if (Volatile.Read(ref At(i)) is not null && Interlocked.Exchange(ref At(i), null) is { } left)
            {
                return left;
            }
        }

        return null;
    }

    /// <summary>Gives one back.</summary>
    /// <returns>False: there are enough, and it is not kept.</returns>
    public bool TryKeep(T spare)
    {
        ref var near = ref Near;
        if (Volatile.Read(ref near) is null && Interlocked.CompareExchange(ref near, spare, null) is null)
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

    // The first is left out, since the array's own length lies before it.
    private ref T? At(int place) => ref _places[place + 1][0];

    // As long as the distance places have to keep, and only the first is used. Not simply an array of references, since each look at
    // one of those is checked against the array's type.
    [InlineArray(ProcessorStripe.Words)]
    private struct Place
    {
        public T? Spare;
    }
}
