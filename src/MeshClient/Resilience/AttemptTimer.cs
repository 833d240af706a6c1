namespace MeshClient.Resilience;

/// <summary>What cancels an attempt: its time limit, the app, or another attempt that was better.</summary>
internal sealed class AttemptTimer : CancellationTokenSource
{
    private readonly LazyTimer _limit;
    private CancellationTokenRegistration _caller;

    public AttemptTimer(TimeProvider time) => _limit = new LazyTimer(time, OnLimit);

    /// <summary>Is cancelled with the app's token too, until <see cref="Unfollow"/>.</summary>
    public void Follow(CancellationToken caller) =>
        _caller = caller.UnsafeRegister(static state => ((AttemptTimer)state!).Cancel(), this);

    /// <summary>When this returns, the app's token does nothing to it any more.</summary>
    public void Unfollow()
    {
        _caller.Dispose();
        _caller = default;
    }

    /// <summary>Limits the time, in place of the limit before.</summary>
    /// <param name="from">A timestamp of just now.</param>
    /// <param name="limit">How long after that it is cancelled; more than 0.</param>
    public void CancelAfter(long from, TimeSpan limit) => _limit.Set(from, limit);

    /// <summary>Takes the limit back.</summary>
    /// <returns>False: there was none, or its moment has come.</returns>
    public bool Unlimit() => _limit.TryStop();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _limit.Discard();
        }

        base.Dispose(disposing);
    }

    private void OnLimit()
    {
        try
        {
            Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The attempt ended at the same moment.
        }
    }
}
