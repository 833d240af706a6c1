using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>
/// Waits for the answer or the moment to make the call a second time, whichever comes first. Almost always it is the answer, so
/// this is used again and again, timer included, and a call that is answered in time leaves nothing behind.
/// </summary>
/// <remarks>
/// The timer is not turned off when the answer comes, nor set again while it is to call back soon enough, because that costs more
/// than all the rest: it calls back once in a while, looks what is waited for by then, and sleeps on for as long as that takes.
/// The moment that is waited for is also the word that says who was first: whoever puts 0 in its place has won.
/// One whose moment came is not used again, because the answer it also waited for has still to come.
/// </remarks>
internal sealed class HedgeTimer : AnswerContinuation
{
    private readonly Pool _pool;
    private readonly ITimer _timer;
    private long _dueAt;
    private long _callsBackAt = long.MaxValue;

    private HedgeTimer(Pool pool)
    {
        _pool = pool;
        _timer = pool.Time.CreateTimer(static state => ((HedgeTimer)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    protected override void OnAnswer()
    {
        if (Interlocked.Exchange(ref _dueAt, 0) != 0)
        {
            RunAsApp(static state => ((HedgeTimer)state!).TellAnswered());
        }
    }

    private void Await(OutboundAttempt attempt, Task<HttpResponseMessage> sending, TimeSpan delay)
    {
        Set(attempt, sending);
        var dueAt = attempt.StartedAt + (long)(delay.TotalSeconds * _pool.Time.TimestampFrequency);
        // Before the other word is read, as the timer writes that one before it reads this.
        Interlocked.Exchange(ref _dueAt, dueAt);
        if (dueAt < Volatile.Read(ref _callsBackAt))
        {
            SetTimer(dueAt, delay);
        }

        Listen(sending);
    }

    private void OnTimer()
    {
        Interlocked.Exchange(ref _callsBackAt, long.MaxValue);
        var dueAt = Volatile.Read(ref _dueAt);
        if (dueAt == 0)
        {
            return;
        }

        var left = _pool.Time.GetElapsedTime(_pool.Time.GetTimestamp(), dueAt);
        if (left > TimeSpan.Zero)
        {
            // At least a millisecond, as timers count in these.
            SetTimer(dueAt, left < HedgingSettings.LeastDelay ? HedgingSettings.LeastDelay : left);
        }
        else if (Interlocked.CompareExchange(ref _dueAt, 0, dueAt) == dueAt)
        {
            _timer.Dispose();
            RunAsApp(static state => ((HedgeTimer)state!).TellDue());
        }
    }

    private void SetTimer(long dueAt, TimeSpan delay)
    {
        Volatile.Write(ref _callsBackAt, dueAt);
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
    }

    // Given back before the pipeline is told, since what follows may make the next call at once, on the same thread.
    private void TellAnswered()
    {
        var (attempt, sending) = Take();
        if (!_pool.Spares.TryKeep(this))
        {
            _timer.Dispose();
        }

        _pool.Answered(attempt, sending);
    }

    private void TellDue()
    {
        var (attempt, sending) = Take();
        _pool.Due(attempt, sending);
    }

    /// <summary>Keeps timers for use again.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="answered">Told when the answer is there, or the attempt has failed.</param>
    /// <param name="due">Told when it is not, and the moment has come.</param>
    internal sealed class Pool(
        TimeProvider time, Action<OutboundAttempt, Task<HttpResponseMessage>> answered, Action<OutboundAttempt, Task<HttpResponseMessage>> due)
    {
        private const int MaxKept = 256;

        public TimeProvider Time { get; } = time;

        public Action<OutboundAttempt, Task<HttpResponseMessage>> Answered { get; } = answered;

        public Action<OutboundAttempt, Task<HttpResponseMessage>> Due { get; } = due;

        public Spares<HedgeTimer> Spares { get; } = new(MaxKept);

        /// <summary>Waits for an answer, for no longer than the delay since the attempt began.</summary>
        public void Await(OutboundAttempt attempt, Task<HttpResponseMessage> sending, TimeSpan delay) =>
            (Spares.TryTake() ?? new HedgeTimer(this)).Await(attempt, sending, delay);
    }
}
