using System.Numerics;

namespace MeshClient.Resilience;

/// <summary>
/// The latencies of the last while, to ask for percentiles of: how Finagle learns when to make a call a second time
/// (com.twitter.finagle.util.WindowedPercentileHistogram), for many threads at once and without a lock on the way of a call.
/// </summary>
/// <remarks>
/// Log-linear, as HdrHistogram: up to 64 us each microsecond has a bucket of its own, above that every power of two has 32, so a
/// percentile is at most 1/32 too high, never too low. Counted in a ring of three windows; what is older than all of them is
/// gone. Each window has several stripes, so that processors do not fight over a bucket; they are added up when somebody asks.
/// A count that comes just when its window is emptied for its next use may be lost, which a percentile bears.
/// </remarks>
internal sealed class LatencyHistogram
{
    private const int SubBucketBits = 5;
    private const int SubBuckets = 1 << SubBucketBits;
    private const int Windows = 3;
    private const int MaxStripes = 8;

    // 2^27 us are 134 s, longer than anybody waits for the head of an answer.
    private const int Exponents = 27;
    private const long LongestMicroseconds = (1L << Exponents) - 1;
    private const int Buckets = (Exponents - SubBucketBits + 1) * SubBuckets;

    private readonly int[][] _counts;
    private readonly long[] _turns = new long[Windows];
    private readonly int _stripeMask;
    private readonly long _windowTicks;
    private readonly double _microsecondsPerTick;
    private readonly Lock _lock = new();

    /// <param name="window">How long one of the three windows is.</param>
    /// <param name="frequency">Ticks of the timestamp in a second.</param>
    public LatencyHistogram(TimeSpan window, long frequency)
    {
        var stripes = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(Environment.ProcessorCount, MaxStripes));
        _stripeMask = stripes - 1;
        _counts = new int[Windows * stripes][];
        for (var i = 0; i < _counts.Length; i++)
        {
            _counts[i] = new int[Buckets];
        }

        _windowTicks = Math.Max(1, (long)(window.TotalSeconds * frequency));
        _microsecondsPerTick = 1e6 / frequency;
    }

    /// <summary>A call took so long.</summary>
    /// <param name="latency">In ticks of the timestamp.</param>
    /// <param name="now">The timestamp.</param>
    public void Record(long latency, long now)
    {
        var window = Turn(now);
        var stripe = Environment.CurrentManagedThreadId & _stripeMask;
        Interlocked.Increment(ref _counts[(window * (_stripeMask + 1)) + stripe][BucketOf((long)(latency * _microsecondsPerTick))]);
    }

    /// <summary>The latency that a share of the calls did not exceed.</summary>
    /// <param name="share">0 to 1.</param>
    /// <param name="leastCalls">How many calls it takes to tell.</param>
    /// <param name="now">The timestamp.</param>
    /// <returns>Null: there were not as many calls.</returns>
    public TimeSpan? Quantile(double share, int leastCalls, long now)
    {
        Turn(now);
        var sums = new long[Buckets];
        long total = 0;
        lock (_lock)
        {
            for (var i = 0; i < _counts.Length; i++)
            {
                // A window that no call has come to for so long still stands there as it was.
                if (_turns[i / (_stripeMask + 1)] <= (now / _windowTicks) - Windows)
                {
                    continue;
                }

                for (var bucket = 0; bucket < Buckets; bucket++)
                {
                    var count = Volatile.Read(ref _counts[i][bucket]);
                    sums[bucket] += count;
                    total += count;
                }
            }
        }

        if (total < Math.Max(1, leastCalls))
        {
            return null;
        }

        // A share such as 0.56 is no exact number: what that adds to a whole rank must not make it the next.
        var rank = Math.Max(1, (long)Math.Ceiling(total * share * (1 - 1e-12)));
        for (var bucket = 0; bucket < Buckets; bucket++)
        {
            rank -= sums[bucket];
            if (rank <= 0)
            {
                return TimeSpan.FromMicroseconds(HighestOf(bucket));
            }
        }

        return TimeSpan.FromMicroseconds(LongestMicroseconds);
    }

    private static int BucketOf(long microseconds)
    {
        var value = Math.Clamp(microseconds, 0, LongestMicroseconds);
        var shift = Math.Max(0, BitOperations.Log2((ulong)value) - SubBucketBits);
        return (shift * SubBuckets) + (int)(value >> shift);
    }

    private static long HighestOf(int bucket)
    {
        var shift = Math.Max(0, (bucket / SubBuckets) - 1);
        return ((long)(bucket - (shift * SubBuckets) + 1) << shift) - 1;
    }

    // The window that time has come to, emptied if it was last used a whole turn of the ring ago.
    private int Turn(long now)
    {
        var turn = now / _windowTicks;
        var window = (int)(turn % Windows);
        if (Volatile.Read(ref _turns[window]) >= turn)
        {
            return window;
        }

        lock (_lock)
        {
            if (_turns[window] < turn)
            {
                for (var stripe = 0; stripe <= _stripeMask; stripe++)
                {
                    Array.Clear(_counts[(window * (_stripeMask + 1)) + stripe]);
                }

                Volatile.Write(ref _turns[window], turn);
            }
        }

        return window;
    }
}
