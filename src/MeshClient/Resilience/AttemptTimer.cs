namespace MeshClient.Resilience;

/// <summary>What cancels an attempt: its time limit, the app, or another attempt that was better.</summary>
internal sealed class AttemptTimer : CancellationTokenSource
{
    private readonly LazyTimer _limit;
    private CancellationTokenRegistration _caller;
    private bool _isLimited;

    public AttemptTimer(TimeProvider time) => _limit = new LazyTimer(time, OnLimit);

    /// <summary>Is cancelled with the app's token too, until <see cref="Unfollow"/>.</summary>
    public void Follow(CancellationToken caller) =>
        _caller = caller.UnsafeRegister(static state => ((AttemptTimer)state!).CancelSafely(), this);

    /// <summary>When this returns, the app's token does nothing to it any more.</summary>
    public void Unfollow()
    {
        _caller.Dispose();
        _caller = default;
    }

    /// <summary>Limits the time, in place of the limit before.</summary>
    /// <param name="from">A timestamp of just now.</param>
    /// <param name="limit">How long after that it is cancelled; more than 0.</param>
    public void CancelAfter(long from, TimeSpan limit)
    {
        _isLimited = true;
        _limit.Set(from, limit);
    }

    /// <summary>The same by the timestamp at which it is cancelled.</summary>
    /// <param name="now">The present timestamp.</param>
    /// <param name="at">When; later than now.</param>
    public void CancelAt(long now, long at)
    {
        _isLimited = true;
        _limit.SetAt(now, at);
    }

    /// <summary>Takes the limit back.</summary>
    /// <returns>False: there was none, or its moment has come.</returns>
    public bool Unlimit()
    {
        if (!_limit.TryStop())
        {
            return false;
        }

        _isLimited = false;
        return true;
    }

    /// <summary>Makes it as new.</summary>
    /// <returns>False: it is cancelled, or is being so though it does not say it yet.</returns>
    public bool TryRenew() => (!_isLimited || Unlimit()) && TryReset();

    /// <summary>Cancels it, to be used no more. It is not disposed: of what holds its token, some may be told only now, on another thread.</summary>
    public void Spend()
    {
        Unfollow();
        CancelSafely();
        _limit.Discard();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _limit.Discard();
        }

        base.Dispose(disposing);
    }

    private void OnLimit() => CancelSafely();

    private void CancelSafely()
    {
        try
        {
            Cancel();
        }
        catch (Exception e) when (e is ObjectDisposedException or AggregateException)
        {
            // The attempt ended at the same moment; or the app's own content, which is given the token, has thrown. On a timer's thread
            // that would end the process, and elsewhere it would keep whoever cancels from what is left to do.
        }
    }
}
