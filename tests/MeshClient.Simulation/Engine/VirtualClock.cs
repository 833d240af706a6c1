namespace MeshClient.Simulation.Engine;

/// <summary>
/// The time of a simulation: it stands still while anything runs, and jumps from one timer to the next. One thread turns it and
/// runs everything, in the order of the timers, so the same seed gives the same run.
/// </summary>
internal sealed class VirtualClock : TimeProvider, IDisposable
{
    private static readonly DateTimeOffset Start = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _lock = new();
    private readonly PoolFence _fence = new();
    private readonly PriorityQueue<Timer, (long Due, long Order)> _timers = new();
    private long _now;
    private long _order;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>How far it has come.</summary>
    public TimeSpan Now => new(Volatile.Read(ref _now));

    public override DateTimeOffset GetUtcNow() => Start + Now;

    // Far from 0, which code may take for "never".
    public override long GetTimestamp() => Start.Ticks + Volatile.Read(ref _now);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Runs something at a moment.</summary>
    public void At(TimeSpan moment, Action action) =>
        CreateTimer(static state => ((Action)state!)(), action, moment > Now ? moment - Now : TimeSpan.Zero, Timeout.InfiniteTimeSpan);

    public void Dispose() => _fence.Dispose();

    /// <summary>Turns the clock on, timer by timer, on a thread of its own.</summary>
    public Task RunUntilAsync(TimeSpan end) =>
        Task.Factory.StartNew(() => RunUntil(end), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void RunUntil(TimeSpan end)
    {
        while (true)
        {
            Timer? timer = null;
            lock (_lock)
            {
                while (_timers.TryPeek(out var next, out var due))
                {
                    // One that was changed or disposed since has another entry, or none.
                    if (next.Due != due.Due || next.Order != due.Order)
                    {
                        _timers.Dequeue();
                        continue;
                    }

                    if (due.Due <= end.Ticks)
                    {
                        _timers.Dequeue();
                        timer = next;
                        _now = Math.Max(_now, due.Due);
                    }

                    break;
                }

                if (timer is null)
                {
                    _now = Math.Max(_now, end.Ticks);
                    return;
                }

                timer.Rearm_NeedsLock();
            }

            timer.Fire();
            _fence.Wait();
        }
    }

    private sealed class Timer(VirtualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public long Due { get; private set; } = long.MaxValue;

        public long Order { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._lock)
            {
                _period = period;
                Arm_NeedsLock(dueTime);
            }

            return true;
        }

        public void Rearm_NeedsLock() => Arm_NeedsLock(_period > TimeSpan.Zero ? _period : Timeout.InfiniteTimeSpan);

        public void Fire() => callback(state);

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Arm_NeedsLock(TimeSpan dueTime)
        {
            Order = ++clock._order;
            if (dueTime == Timeout.InfiniteTimeSpan)
            {
                Due = long.MaxValue;
                return;
            }

            Due = clock._now + dueTime.Ticks;
            clock._timers.Enqueue(this, (Due, Order));
        }
    }
}
