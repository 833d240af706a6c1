namespace MeshClient.Testing;

/// <summary>
/// Lets tests wait until something holds of an object. The object calls <see cref="Check_NeedsLock"/> after each of its
/// changes; conditions are looked at only then, under the object's lock.
/// </summary>
/// <param name="gate">The object's lock.</param>
internal sealed class ConditionList(Lock gate)
{
    /// <summary>How long a test waits unless it says otherwise, in real time.</summary>
    public static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(10);

    private readonly List<Waiter> _waiters = [];

    /// <summary>Ends the waits whose condition holds now.</summary>
    public void Check_NeedsLock()
    {
        foreach (var waiter in _waiters.FindAll(static waiter => waiter.Condition()))
        {
            _waiters.Remove(waiter);
            waiter.Done.TrySetResult();
        }
    }

    /// <summary>Waits until the condition holds.</summary>
    /// <param name="condition">Looked at under the lock.</param>
    /// <param name="failure">What the exception says when it did not come to hold.</param>
    /// <param name="timeout">Null: <see cref="DefaultPatience"/>.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task WaitAsync(
        Func<bool> condition, Func<string> failure, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(condition);
        lock (gate)
        {
            if (condition())
            {
                return;
            }

            _waiters.Add(waiter);
        }

        var patience = timeout ?? DefaultPatience;
        try
        {
            await waiter.Done.Task.WaitAsync(patience, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"After {patience}: {failure()}");
        }
        finally
        {
            lock (gate)
            {
                _waiters.Remove(waiter);
            }
        }
    }

    private sealed record Waiter(Func<bool> Condition)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
