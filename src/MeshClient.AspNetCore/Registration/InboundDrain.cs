using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace MeshClient.AspNetCore.Registration;

/// <summary>
/// Counts the requests under way and tells when there are none. From the beginning of a drain, each connection that still
/// brings a request is asked to end after it (GOAWAY, or Connection: close), so that callers do not find it cut later.
/// </summary>
internal sealed class InboundDrain
{
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _active;
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
        if (Interlocked.Decrement(ref _active) == 0 && _draining)
        {
            _idle.TrySetResult();
        }
    }

    /// <summary>Begins to ask connections to end.</summary>
    public void Begin() => _draining = true;

    /// <summary>Waits until no request is under way; one that comes later is not waited for.</summary>
    /// <exception cref="OperationCanceledException">The token fired first.</exception>
    public Task WaitUntilIdleAsync(CancellationToken cancellationToken) =>
        Active == 0 ? Task.CompletedTask : _idle.Task.WaitAsync(cancellationToken);
}
