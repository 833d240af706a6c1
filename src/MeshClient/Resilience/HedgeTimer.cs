using System.Threading.Tasks.Sources;

namespace MeshClient.Resilience;

/// <summary>
/// Tells which comes first: the answer, or the moment to make the call a second time. Almost always it is the answer, so this
/// is used again and again, timer included, and a call that is answered in time leaves nothing behind.
/// </summary>
/// <remarks>
/// One that fired is not used again, because the answer it also waited for has still to come. A timer may call back once more
/// after it was turned off, into the next use; so the moment is looked up in the clock, and what came too early waits again.
/// </remarks>
internal sealed class HedgeTimer : IValueTaskSource<bool>
{
    private const int Idle = 0;
    private const int Waiting = 1;
    private const int Decided = 2;

    private readonly TimeProvider _time;
    private readonly Pool _pool;
    private readonly ITimer _timer;
    private readonly Action _onAnswer;
    private ManualResetValueTaskSourceCore<bool> _source;
    private long _dueAt;
    private int _state;

    private HedgeTimer(TimeProvider time, Pool pool)
    {
        _time = time;
        _pool = pool;
        _onAnswer = () => Decide(fired: false);
        _timer = time.CreateTimer(static state => ((HedgeTimer)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public bool GetResult(short token)
    {
        var fired = _source.GetResult(token);
        if (fired)
        {
            _timer.Dispose();
        }
        else
        {
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _source.Reset();
            Volatile.Write(ref _state, Idle);
            _pool.Return(this);
        }

        return fired;
    }

    public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    private ValueTask<bool> WaitAsync(Task answer, TimeSpan delay)
    {
        var now = _time.GetTimestamp();
        Volatile.Write(ref _dueAt, now + (long)(delay.TotalSeconds * _time.TimestampFrequency));
        Volatile.Write(ref _state, Waiting);
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
        answer.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_onAnswer);
        return new ValueTask<bool>(this, _source.Version);
    }

    private void OnTimer()
    {
        if (Volatile.Read(ref _state) != Waiting)
        {
            return;
        }

        var left = _time.GetElapsedTime(_time.GetTimestamp(), Volatile.Read(ref _dueAt));
        if (left > TimeSpan.Zero)
        {
            // At least a millisecond, as timers count in these.
            _timer.Change(left < HedgingSettings.LeastDelay ? HedgingSettings.LeastDelay : left, Timeout.InfiniteTimeSpan);
            return;
        }

        Decide(fired: true);
    }

    private void Decide(bool fired)
    {
        if (Interlocked.CompareExchange(ref _state, Decided, Waiting) == Waiting)
        {
            _source.SetResult(fired);
        }
    }

    /// <summary>Keeps timers for use again.</summary>
    internal sealed class Pool(TimeProvider time)
    {
        private const int MaxKept = 256;

        private readonly Spares<HedgeTimer> _spares = new(MaxKept);

        /// <summary>Waits for an answer, for no longer than the delay.</summary>
        /// <returns>True: the delay is over, and the answer is not there.</returns>
        public ValueTask<bool> FiresFirstAsync(Task answer, TimeSpan delay) =>
            (_spares.TryTake() ?? new HedgeTimer(time, this)).WaitAsync(answer, delay);

        public void Return(HedgeTimer timer)
        {
            if (!_spares.TryKeep(timer))
            {
                timer._timer.Dispose();
            }
        }
    }
}
