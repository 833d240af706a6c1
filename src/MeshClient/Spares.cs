using System.Collections.Concurrent;
using System.Numerics;
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
    // Places so far apart that no two share a cache line, nor a pair of lines fetched together.
    private const int Stride = 128 / 8;

    private static readonly int Mask = (int)BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount) - 1;

    private readonly object?[] _places = new object?[(Mask + 2) * Stride];
    private readonly ConcurrentQueue<T> _kept = new();
    private int _count;

    private ref object? Place => ref _places[((Thread.GetCurrentProcessorId() & Mask) + 1) * Stride];

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
        for (var i = 1; i <= Mask + 1; i++)
        {
            if (Interlocked.Exchange(ref _places[i * Stride], null) is { } left)
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
