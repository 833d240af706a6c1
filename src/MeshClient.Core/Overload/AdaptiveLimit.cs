namespace MeshClient.Core.Overload;

/// <summary>
/// Collects what becomes of calls, and lets a <see cref="ConcurrencyLimit"/> learn from a window of them at a time. Safe for
/// several threads.
/// </summary>
/// <remarks>
/// Netflix concurrency-limits, WindowedLimit: the limit changes at most once in a window (1 s) and after at least 10 calls; calls
/// below 100 us are left out, because they were answered without doing anything. A window with fewer calls goes on until it has
/// them, so that a service that is seldom called is learned of too. Of a call that was given up, only that it took at least so
/// long is known: it counts where that is more than the others took.
/// A call that ends while another is being taken in is left out rather than kept waiting: the mean of many does not miss it.
/// </remarks>
internal sealed class AdaptiveLimit
{
    private const int LeastCalls = 10;
    private const double LeastLatencySeconds = 0.0001;

    private readonly ConcurrencyLimit _limit;
    private readonly long _windowTicks;
    private readonly double _leastLatency;
    private readonly Lock _lock = new();
    private volatile int _current;
    private volatile bool _hasDropped;
    private long _windowEnd;
    private double _sum;
    private int _timed;
    private int _calls;
    private int _inFlight;

    /// <param name="settings">How it learns.</param>
    /// <param name="frequency">Ticks in a second.</param>
    /// <param name="random">Numbers from 0 to 1.</param>
    public AdaptiveLimit(AdaptiveLimitSettings settings, long frequency, Func<double> random)
    {
        _limit = ConcurrencyLimit.Create(settings, frequency, random);
        _windowTicks = (long)(settings.Window.TotalSeconds * frequency);
        _leastLatency = LeastLatencySeconds * frequency;
        _current = (int)_limit.Value;
    }

    /// <summary>How many calls may be in flight.</summary>
    public int Current => _current;

    /// <summary>A call was answered.</summary>
    /// <param name="now">When.</param>
    /// <param name="latency">What it took, in ticks.</param>
    /// <param name="inFlight">How many were in flight, it included.</param>
    /// <returns>Whether the limit may have changed.</returns>
    public bool Completed(long now, long latency, int inFlight) =>
        latency >= _leastLatency && Add(now, latency, isLeast: false, inFlight);

    /// <summary>A call was given up by whoever made it.</summary>
    /// <inheritdoc cref="Completed"/>
    public bool GivenUp(long now, long latency, int inFlight) =>
        latency >= _leastLatency && Add(now, latency, isLeast: true, inFlight);

    /// <summary>A call took too long.</summary>
    /// <inheritdoc cref="Completed"/>
    public bool TimedOut(long now, long latency, int inFlight)
    {
        _hasDropped = true;
        return Add(now, latency, isLeast: true, inFlight);
    }

    /// <summary>A call was refused for overload by who was called.</summary>
    /// <param name="now">When.</param>
    /// <param name="inFlight">How many were in flight, it included.</param>
    /// <returns>Whether the limit may have changed.</returns>
    public bool Refused(long now, int inFlight)
    {
        _hasDropped = true;
        return Add(now, 0, isLeast: true, inFlight);
    }

    private bool Add(long now, double latency, bool isLeast, int inFlight)
    {
        if (!_lock.TryEnter())
        {
            return false;
        }

        try
        {
            if (_calls == 0)
            {
                _windowEnd = now + _windowTicks;
            }

            _calls++;
            _inFlight = Math.Max(_inFlight, inFlight);
            if (!isLeast || (latency > 0 && latency * _timed >= _sum))
            {
                _sum += latency;
                _timed++;
            }

            if (now < _windowEnd || _calls < LeastCalls)
            {
                return false;
            }

            _limit.Update(new LimitSample(_timed == 0 ? 0 : _sum / _timed, _inFlight, _hasDropped));
            _current = (int)_limit.Value;
            (_sum, _timed, _calls, _inFlight, _hasDropped) = (0, 0, 0, 0, false);
            return true;
        }
        finally
        {
            _lock.Exit();
        }
    }
}
