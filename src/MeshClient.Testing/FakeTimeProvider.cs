namespace MeshClient.Testing;

/// <summary>
/// A clock that stands still until a test turns it. Timers made from it fire inside <see cref="Advance"/>, on the calling
/// thread, in the order in which they are due, each at exactly its moment. Safe for use from several threads.
/// </summary>
/// <remarks>
/// The timestamp runs at 80 MHz from a number far from 0: an exact multiple of <see cref="TimeSpan.Ticks"/>, so that no
/// advance is lost in rounding, but equal to neither ticks nor nanoseconds, so that code that mixes up the units, or takes a
/// timestamp of 0 for "never", fails its test.
/// </remarks>
public sealed class FakeTimeProvider : TimeProvider
{
    private const long TimestampsPerTick = 8;
    private const long FirstTimestamp = 7_000_003_000_000_017;

    private readonly Lock _lock = new();
    private readonly List<FakeTimer> _armed = [];
    private readonly ConditionList _conditions;
    private DateTimeOffset _utcStart;
    private TimeSpan _elapsed;
    private TimeSpan _goal;
    private long _armings;

    /// <summary>Makes a clock that shows 2025-01-01T00:00:00Z.</summary>
    public FakeTimeProvider()
        : this(new DateTimeOffset(2025, 1, 1, 0, 0, 0, TimeSpan.Zero))
    {
    }

    /// <summary>Makes a clock.</summary>
    /// <param name="start">What it shows at first.</param>
    public FakeTimeProvider(DateTimeOffset start)
    {
        _utcStart = start.ToUniversalTime();
        _conditions = new ConditionList(_lock);
    }

    /// <summary>80 MHz: eight to a tick of 100 ns.</summary>
    public override long TimestampFrequency => TimestampsPerTick * TimeSpan.TicksPerSecond;

    /// <summary>UTC, wherever the test runs.</summary>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>How many timers are armed: they have a moment at which they will fire, and are not disposed.</summary>
    public int ActiveTimers
    {
        get
        {
            lock (_lock)
            {
                return _armed.Count;
            }
        }
    }

    /// <summary>How long it is until the next timer fires; null when none is armed.</summary>
    public TimeSpan? NextDueIn
    {
        get
        {
            lock (_lock)
            {
                return NextTimer_NeedsLock()?.Due - _elapsed;
            }
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
        {
            return _utcStart + _elapsed;
        }
    }

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        lock (_lock)
        {
            return FirstTimestamp + (_elapsed.Ticks * TimestampsPerTick);
        }
    }

    /// <summary>
    /// Turns the clock on. It stops at the moment of every timer that is due on the way, also of those armed on the way, and
    /// runs its callback; an exception of a callback comes out here, with the clock standing at that moment, and the next
    /// call makes up for the rest. Calls from callbacks and other threads add up.
    /// </summary>
    /// <param name="by">How far, 0 or more. 0 runs what is due by now.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="by"/> is negative.</exception>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        TimeSpan goal;
        lock (_lock)
        {
            goal = _goal += by;
        }

        RunUntil(goal);
    }

    /// <summary>
    /// Changes what the wall clock shows and nothing else, as when an administrator sets it: timers and timestamps do not
    /// notice.
    /// </summary>
    /// <param name="by">How far; negative sets it back.</param>
    public void ShiftUtcNow(TimeSpan by)
    {
        lock (_lock)
        {
            _utcStart += by;
        }
    }

    /// <summary>
    /// Makes a timer. A due time of zero fires at once, on the thread pool, as with the system's clock; a period of zero or
    /// <see cref="Timeout.InfiniteTimeSpan"/> means once. Fractions of a millisecond count.
    /// </summary>
    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new FakeTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Waits until at least so many timers are armed: until the code under test has gone to wait.</summary>
    /// <param name="count">How many.</param>
    /// <param name="timeout">How long to wait, in real time. Default: 10 s.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="TimeoutException">It did not happen in time.</exception>
    public Task WaitForTimersAsync(int count, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        WaitForAsync(() => _armed.Count >= count, $"{count} armed timers", timeout, cancellationToken);

    /// <summary>Waits until a timer is armed that fires after exactly this time, counted from now on this clock.</summary>
    /// <param name="dueIn">The time.</param>
    /// <param name="timeout">How long to wait, in real time. Default: 10 s.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="TimeoutException">It did not happen in time.</exception>
    public Task WaitForTimerAsync(TimeSpan dueIn, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        WaitForAsync(
            () => _armed.Exists(timer => timer.Due - _elapsed == dueIn), $"timers due in {dueIn}", timeout, cancellationToken);

    internal bool Arm(FakeTimer timer, TimeSpan dueTime, TimeSpan period)
    {
        lock (_lock)
        {
            if (timer.IsDisposed)
            {
                return false;
            }

            _armed.Remove(timer);
            if (dueTime != Timeout.InfiniteTimeSpan)
            {
                timer.Due = _elapsed + dueTime;
                timer.Period = period;
                timer.Order = ++_armings;
                _armed.Add(timer);
                _conditions.Check_NeedsLock();
            }
        }

        if (dueTime == TimeSpan.Zero)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static clock => clock.RunDueNow(), this, preferLocal: false);
        }

        return true;
    }

    internal void Disarm(FakeTimer timer)
    {
        lock (_lock)
        {
            timer.IsDisposed = true;
            _armed.Remove(timer);
        }
    }

    private void RunDueNow()
    {
        TimeSpan now;
        lock (_lock)
        {
            now = _elapsed;
        }

        RunUntil(now);
    }

    private void RunUntil(TimeSpan goal)
    {
        while (true)
        {
            FakeTimer? timer;
            lock (_lock)
            {
                timer = NextTimer_NeedsLock();
                if (timer is null || timer.Due > goal)
                {
                    MoveTo_NeedsLock(goal);
                    return;
                }

                MoveTo_NeedsLock(timer.Due);
                if (timer.Period > TimeSpan.Zero)
                {
                    timer.Due += timer.Period;
                    timer.Order = ++_armings;
                    _conditions.Check_NeedsLock();
                }
                else
                {
                    _armed.Remove(timer);
                }
            }

            timer.Fire();
        }
    }

    // Another thread may have turned the clock further already; it never goes back.
    private void MoveTo_NeedsLock(TimeSpan moment)
    {
        if (moment > _elapsed)
        {
            _elapsed = moment;
            _conditions.Check_NeedsLock();
        }
    }

    private FakeTimer? NextTimer_NeedsLock() =>
        _armed.Count == 0 ? null : _armed.MinBy(static timer => (timer.Due, timer.Order));

    private Task WaitForAsync(Func<bool> condition, string what, TimeSpan? timeout, CancellationToken cancellationToken) =>
        _conditions.WaitAsync(
            condition,
            () => $"there were not {what}; {ActiveTimers} armed, the next due in {NextDueIn?.ToString() ?? "never"}.",
            timeout,
            cancellationToken);
}
