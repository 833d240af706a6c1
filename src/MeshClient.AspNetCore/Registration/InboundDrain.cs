using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace MeshClient.AspNetCore.Registration;

/// <summary>
/// Counts the requests and raw connections under way and tells when there are none. From the beginning of a drain, each connection that still
/// brings a request is asked to end after it (GOAWAY, or Connection: close), so that callers do not find it cut later.
/// </summary>
internal sealed class InboundDrain(TimeProvider time)
{
    private TaskCompletionSource? _idle;
    private int _active;
    private long _beganAt;
    private volatile bool _draining;

    /// <summary>How many requests are under way.</summary>
    public int Active => Volatile.Read(ref _active);

    public void Enter(IFeatureCollection features)
    {
        Interlocked.Increment(ref _active);
        if (_draining)
        {
            features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _active) == 0)
        {
            Volatile.Read(ref _idle)?.TrySetResult();
        }
    }

    /// <summary>When it began, as a timestamp; null before.</summary>
    public long? BeganAt => _draining ? Volatile.Read(ref _beganAt) : null;

    /// <summary>Begins to ask connections to end.</summary>
    public void Begin()
    {
        Volatile.Write(ref _beganAt, time.GetTimestamp());
        _draining = true;
    }

    /// <summary>Raised when callers have heard that this instance stops, and what would stay open by itself has to end.</summary>
    public event Action? Ending;

    /// <summary>Asks what would stay open to end.</summary>
    public void AskToEnd() => Ending?.Invoke();

    /// <summary>
    /// Waits until no request is under way; one that comes later is not waited for. Only moments from the call on count:
    /// between two requests there is often none, and callers go on sending while they hear of the drain. One waits at a time.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token fired first.</exception>
    public Task WaitUntilIdleAsync(CancellationToken cancellationToken)
    {
        var idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // Published first, then counted, with a full fence between: the last request to leave does the reverse, so one of
        // the two sees the other.
        Interlocked.Exchange(ref _idle, idle);
        return Active == 0 ? Task.CompletedTask : idle.Task.WaitAsync(cancellationToken);
    }
}
