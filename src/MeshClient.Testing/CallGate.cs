using MeshClient.Core.ControlPlane;

namespace MeshClient.Testing;

/// <summary>
/// Through here go all calls to the in-memory control plane. A call is answered at once if it can be, or else parked until a
/// change lets it be answered; failing and stalling stand above that.
/// </summary>
/// <remarks>
/// A parked call is answered, and no longer counted, within the change that lets it go: a test that changes something and
/// then waits for a parked call thus waits for the next one, never for the one it has just let go.
/// </remarks>
internal sealed class CallGate
{
    private readonly List<Parked> _parked = [];
    private ControlPlaneException? _failure;
    private bool _stalled;

    public CallGate() => Conditions = new ConditionList(Lock);

    /// <summary>Guards this and the whole state of the control plane.</summary>
    public Lock Lock { get; } = new();

    /// <summary>For tests that wait.</summary>
    public ConditionList Conditions { get; }

    /// <summary>How many calls are parked.</summary>
    public int ParkedCalls
    {
        get
        {
            lock (Lock)
            {
                return _parked.Count;
            }
        }
    }

    /// <summary>Makes every call fail, or with null no longer.</summary>
    public void FailWith(ControlPlaneException? failure) => Change(() => _failure = failure);

    /// <summary>Makes every call hang, or no longer.</summary>
    public void Stall(bool stalled) => Change(() => _stalled = stalled);

    /// <summary>Changes something and lets go of the calls that can be answered now.</summary>
    public void Change(Action change)
    {
        lock (Lock)
        {
            change();
            while (_parked.Find(CanGo_NeedsLock) is { } parked)
            {
                _parked.Remove(parked);
                LetGo_NeedsLock(parked);
            }

            Conditions.Check_NeedsLock();
        }
    }

    /// <summary>Runs a call.</summary>
    /// <param name="arrived">Runs at once, whatever becomes of the call.</param>
    /// <param name="isReady">Whether it can be answered.</param>
    /// <param name="answer">Answers it; may change things.</param>
    /// <param name="cancellationToken">Ends the call while it is parked.</param>
    public Task<T> CallAsync<T>(Action arrived, Func<bool> isReady, Func<T> answer, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<T>(cancellationToken);
        }

        var call = new Parked<T>(isReady, answer);
        Change(() =>
        {
            arrived();
            _parked.Add(call);
        });
        return call.Task.IsCompleted ? call.Task : WaitAsync(call, cancellationToken);
    }

    private async Task<T> WaitAsync<T>(Parked<T> call, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            _ => Change(() =>
            {
                if (_parked.Remove(call))
                {
                    call.Cancel(cancellationToken);
                }
            }),
            null);
        return await call.Task.ConfigureAwait(false);
    }

    private bool CanGo_NeedsLock(Parked parked) => _failure is not null || (!_stalled && parked.IsReady());

    // Each call gets an exception of its own: a thrown one carries its own stack.
    private void LetGo_NeedsLock(Parked parked)
    {
        if (_failure is { } failure)
        {
            parked.Fail(new ControlPlaneException(failure.Failure, failure.Message, failure.InnerException)
            {
                RetryAfter = failure.RetryAfter,
            });
        }
        else
        {
            parked.Answer();
        }
    }

    private abstract class Parked(Func<bool> isReady)
    {
        public bool IsReady() => isReady();

        public abstract void Answer();

        public abstract void Fail(Exception exception);
    }

    private sealed class Parked<T>(Func<bool> isReady, Func<T> answer) : Parked(isReady)
    {
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<T> Task => _done.Task;

        // What goes wrong in answering is this caller's to see, not that of whoever made the change.
        public override void Answer()
        {
            try
            {
                _done.TrySetResult(answer());
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                _done.TrySetException(e);
            }
        }

        public override void Fail(Exception exception) => _done.TrySetException(exception);

        public void Cancel(CancellationToken cancellationToken) => _done.TrySetCanceled(cancellationToken);
    }
}
