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
    private readonly object?[] _places = new object?[ProcessorStripe.ArrayLength];
    private readonly ConcurrentQueue<T> _kept = new();
    private int _count;

    private ref object? Place => ref _places[ProcessorStripe.Current];

    /// <summary>Takes one; null when none is left.</summary>
    public T? TryTake()
    {
        ref var place = ref Place;
        if (Volatile.Read(ref place) is not null && Interlocked.Exchange(ref place, null) is { } last)
        {
            return Unsafe.As<T>(last);
        }

        if (Volatile.Read(ref _count) > 0 && _kept.TryDequeue(out var kept))
        {
            Interlocked.Decrement(ref _count);
            return kept;
        }

        // Before a new one is made: it may lie where another processor, or this thread on another, has left it.
        for (var i = 0; i < ProcessorStripe.Count; i++)
        {
            if (Interlocked.Exchange(ref _places[ProcessorStripe.At(i)], null) is { } left)
            {
                return Unsafe.As<T>(left);
            }
        }

        return null;
    }

    /// <summary>Gives one back.</summary>
    /// <returns>False: there are enough, and it is not kept.</returns>
    public bool TryKeep(T spare)
    {
        ref var place = ref Place;
        if (Volatile.Read(ref place) is null && Interlocked.CompareExchange(ref place, spare, null) is null)
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
