using MeshClient.Outbound;

namespace MeshClient.Resilience;

/// <summary>
/// Waits for the answer or the moment to make the call a second time, whichever comes first. Almost always it is the answer, so
/// this is used again and again, timer included, and a call that is answered in time leaves nothing behind.
/// </summary>
/// <remarks>One whose moment came is not used again, because the answer it also waited for has still to come.</remarks>
internal sealed class HedgeTimer : AnswerContinuation
{
    private readonly Pool _pool;
    private readonly LazyTimer _timer;

    private HedgeTimer(Pool pool)
    {
        _pool = pool;
        _timer = new LazyTimer(pool.Time, OnDue);
    }

    protected override void OnAnswer()
    {
        if (_timer.TryStop())
        {
            RunAsApp(static state => ((HedgeTimer)state!).TellAnswered());
        }
    }

    private void OnDue()
    {
        _timer.Discard();
        RunAsApp(static state => ((HedgeTimer)state!).TellDue());
    }

    private void Await(OutboundAttempt attempt, Task<HttpResponseMessage> sending, TimeSpan delay)
    {
        Set(attempt, sending);
        _timer.Set(attempt.StartedAt, delay);
        Listen(sending);
    }

    // Given back before the pipeline is told, since what follows may make the next call at once, on the same thread.
    private void TellAnswered()
    {
        var (attempt, sending) = Take();
        if (!_pool.Spares.TryKeep(this))
        {
            _timer.Discard();
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
