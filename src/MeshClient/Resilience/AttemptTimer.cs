namespace MeshClient.Resilience;

/// <summary>What cancels an attempt: its time limit, the app, or another attempt that was better.</summary>
internal sealed class AttemptTimer(TimeProvider time) : CancellationTokenSource(Timeout.InfiniteTimeSpan, time)
{
    private CancellationTokenRegistration _caller;

    /// <summary>Is cancelled with the app's token too, until <see cref="Unfollow"/>.</summary>
    public void Follow(CancellationToken caller) =>
        _caller = caller.UnsafeRegister(static state => ((AttemptTimer)state!).Cancel(), this);

    /// <summary>When this returns, the app's token does nothing to it any more.</summary>
    public void Unfollow()
    {
        _caller.Dispose();
        _caller = default;
    }
}
