namespace MeshClient.Server.State;

/// <summary>How a wait ended.</summary>
internal enum WatchOutcome
{
    /// <summary>Something watched has changed.</summary>
    Changed,

    /// <summary>The wait was over.</summary>
    TimedOut,

    /// <summary>The server is stopping.</summary>
    Closed,

    /// <summary>The caller has gone.</summary>
    Abandoned,
}

/// <summary>One parked query. Not for several threads at once, but for its wakers.</summary>
internal sealed class Watch(WatchHub hub, Topic[] topics) : IDisposable
{
    // A fresh source for each wait; continuations run elsewhere, never in the thread that writes the state.
    private TaskCompletionSource<WatchOutcome> _signal = NewSignal();
    private volatile bool _closed;

    public IReadOnlyList<Topic> Topics => topics;

    /// <summary>Whether the server is stopping.</summary>
    public bool IsClosed => _closed;

    /// <summary>Waits for a change since the last wait, or since the beginning.</summary>
    public async Task<WatchOutcome> WaitAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        var signal = Volatile.Read(ref _signal);
        if (!signal.Task.IsCompleted)
        {
            if (timeout <= TimeSpan.Zero)
            {
                return WatchOutcome.TimedOut;
            }

            using var timer = time.CreateTimer(
                static state => ((TaskCompletionSource<WatchOutcome>)state!).TrySetResult(WatchOutcome.TimedOut),
                signal, timeout, Timeout.InfiniteTimeSpan);
            using var abandoned = cancellationToken.UnsafeRegister(
                static state => ((TaskCompletionSource<WatchOutcome>)state!).TrySetResult(WatchOutcome.Abandoned), signal);
            await signal.Task.ConfigureAwait(false);
        }

        var outcome = await signal.Task.ConfigureAwait(false);
        if (outcome != WatchOutcome.Closed)
        {
            // Renewed before the caller reads the state again, so a change from here on wakes the next wait. The exchange is
            // a full fence: neither that read nor the one of _closed below may move above it.
            Interlocked.Exchange(ref _signal, NewSignal());
        }

        return _closed ? WatchOutcome.Closed : outcome;
    }

    public void Dispose() => hub.End(this);

    internal void Wake() => Volatile.Read(ref _signal).TrySetResult(WatchOutcome.Changed);

    internal void Close()
    {
        _closed = true;
        Interlocked.MemoryBarrier();
        Volatile.Read(ref _signal).TrySetResult(WatchOutcome.Closed);
    }

    private static TaskCompletionSource<WatchOutcome> NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
