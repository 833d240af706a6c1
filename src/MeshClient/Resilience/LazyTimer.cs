namespace MeshClient.Resilience;

/// <summary>
/// A timer that is set for every call and stopped by nearly all of them before it is due. Used again and again, by one at a time.
/// </summary>
/// <remarks>
/// To turn the system's timer on and off for each call would cost more than all the rest, and make the processors wait for each other.
/// So it is not turned off, nor set again while it is to call back soon enough: once in a while it calls back, looks what is
/// waited for by then, and sleeps on for as long as that takes. The moment that is waited for is also the word that says who was
/// first: whoever puts 0 in its place has won.
/// </remarks>
internal sealed class LazyTimer
{
    // Timers count in these.
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(1);

    // For what is due in less than a tick of those a span counts in.
    private static readonly TimeSpan Shortest = TimeSpan.FromTicks(1);

    private readonly TimeProvider _time;
    private readonly Action _onDue;
    private readonly ITimer _timer;
    private long _dueAt;
    private long _callsBackAt = long.MaxValue;

    /// <param name="time">The clock.</param>
    /// <param name="onDue">Called when it is due and was not stopped.</param>
    public LazyTimer(TimeProvider time, Action onDue)
    {
        _time = time;
        _onDue = onDue;
        // What the app has attached to the call that happens to be the first must not live as long as the timer.
        using (ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static state => ((LazyTimer)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Sets it.</summary>
    /// <param name="from">A timestamp of just now.</param>
    /// <param name="delay">How long after that it is due; more than 0.</param>
    public void Set(long from, TimeSpan delay) => SetAt(from, from + (long)(delay.TotalSeconds * _time.TimestampFrequency));

    /// <summary>Sets it by the timestamp at which it is due.</summary>
    /// <param name="now">The present timestamp.</param>
    /// <param name="dueAt">When; later than now.</param>
    public void SetAt(long now, long dueAt)
    {
        // Before the other word is read, as the timer writes that one before it reads this.
        Interlocked.Exchange(ref _dueAt, dueAt);
        if (dueAt < Volatile.Read(ref _callsBackAt))
        {
            var delay = _time.GetElapsedTime(now, dueAt);
            CallBack(dueAt, delay > TimeSpan.Zero ? delay : Shortest);
        }
    }

    /// <summary>Stops it.</summary>
    /// <returns>False: it was not set, or its moment has come.</returns>
    public bool TryStop() => Interlocked.Exchange(ref _dueAt, 0) != 0;

    /// <summary>Lets it go: it is set no more.</summary>
    public void Discard()
    {
        TryStop();
        _timer.Dispose();
    }

    private void OnTimer()
    {
        Interlocked.Exchange(ref _callsBackAt, long.MaxValue);
        var dueAt = Volatile.Read(ref _dueAt);
        if (dueAt == 0)
        {
            return;
        }

        var left = _time.GetElapsedTime(_time.GetTimestamp(), dueAt);
        if (left <= TimeSpan.Zero)
        {
            if (Interlocked.CompareExchange(ref _dueAt, 0, dueAt) == dueAt)
            {
                _onDue();
            }

            return;
        }

        while (true)
        {
            CallBack(dueAt, left < Least ? Least : left);
            // Stopped and set anew in the meantime, for sooner: what was just asked of the system's timer would come too late.
            var newer = Volatile.Read(ref _dueAt);
            if (newer == 0 || newer >= dueAt)
            {
                return;
            }

            (dueAt, left) = (newer, _time.GetElapsedTime(_time.GetTimestamp(), newer));
        }
    }

    private void CallBack(long dueAt, TimeSpan delay)
    {
        Volatile.Write(ref _callsBackAt, dueAt);
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _callsBackAt) != dueAt)
        {
            // Somebody else has written at the same time, and if that was another moment, which of both the system's timer goes by is not known.
            Interlocked.Exchange(ref _callsBackAt, long.MaxValue);
        }
    }
}
