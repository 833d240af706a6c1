namespace MeshClient.Overload;

/// <summary>
/// Counts the calls in flight to a service, up to a limit that may change at any time, and keeps a bounded queue of those that
/// came too many.
/// </summary>
/// <remarks>
/// One word holds both counts: calls in flight below, calls waiting above. A call enters by one interlocked increment of the
/// word and leaves by one decrement; only where calls wait, or have to, is the lock taken. A call that found no room takes its
/// increment back, and so may hide room from another for a moment: whoever takes one back, leaves, queues or raises the limit
/// looks at the word afterwards, and admits those waiting if there is room. So nobody is left waiting beside free room, calls
/// never pass those that wait, and no more are in flight than the limit that held when they were admitted.
/// The newest waiting is admitted first, and takes the oldest's place where the queue is full: under an overload that lasts, a
/// queue in the order of arrival makes every call wait as long as any may, and all are late (Maurer: "Fail at Scale", ACM
/// Queue 13/8, 2015, on adaptive LIFO). Where the queue empties again and again the order makes no difference.
/// </remarks>
internal sealed class AdmissionLimiter(int limit, int queueLength)
{
    private const long OneWaiting = 1L << 32;

    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _queue = [];
    private long _state;
    private int _limit = limit;

    /// <summary>How many calls are in flight.</summary>
    public int InFlight => (int)Volatile.Read(ref _state);

    /// <summary>How many calls wait.</summary>
    public int Waiting => (int)(Volatile.Read(ref _state) >> 32);

    /// <summary>How many calls may be in flight. A lower one holds for those to come.</summary>
    public int Limit
    {
        get => Volatile.Read(ref _limit);
        set
        {
            // With a full fence before the word is read: see Enqueue.
            Interlocked.Exchange(ref _limit, value);
            AdmitWaiting(Volatile.Read(ref _state));
        }
    }

    /// <summary>Counts a call in, if there is room and nobody waits for it.</summary>
    public bool TryEnter()
    {
        // Whoever waits makes the word greater than any limit.
        if (Interlocked.Increment(ref _state) <= Volatile.Read(ref _limit))
        {
            return true;
        }

        AdmitWaiting(Interlocked.Decrement(ref _state));
        return false;
    }

    /// <summary>Counts a call out.</summary>
    /// <returns>How many were in flight, it included.</returns>
    public int Leave()
    {
        var state = Interlocked.Decrement(ref _state);
        AdmitWaiting(state);
        return (int)state + 1;
    }

    /// <summary>Puts a call into the queue.</summary>
    /// <returns>Its place; null when there is no queue.</returns>
    public Waiter? Enqueue()
    {
        if (queueLength == 0)
        {
            return null;
        }

        var waiter = new Waiter();
        lock (_lock)
        {
            if (_queue.Count == queueLength)
            {
                var oldest = _queue.Last!.Value;
                RemoveInLock(oldest);
                oldest.End(admitted: false);
            }

            waiter.Place = _queue.AddFirst(waiter);
            // After this whoever makes room sees somebody waiting; before it, the room is seen here.
            Interlocked.Add(ref _state, OneWaiting);
            AdmitInLock();
        }

        return waiter;
    }

    /// <summary>Takes a call out of the queue that does not want to wait any longer.</summary>
    /// <returns>False: it waits no more, and its task says whether it was admitted.</returns>
    public bool TryGiveUp(Waiter waiter)
    {
        lock (_lock)
        {
            if (waiter.Place is null)
            {
                return false;
            }

            RemoveInLock(waiter);
            return true;
        }
    }

    private void AdmitWaiting(long state)
    {
        if (state >= OneWaiting && (int)state < Limit)
        {
            lock (_lock)
            {
                AdmitInLock();
            }
        }
    }

    private void AdmitInLock()
    {
        while (_queue.First is { } newest && InFlight < Limit)
        {
            Interlocked.Increment(ref _state);
            RemoveInLock(newest.Value);
            newest.Value.End(admitted: true);
        }
    }

    private void RemoveInLock(Waiter waiter)
    {
        _queue.Remove(waiter.Place!);
        waiter.Place = null;
        Interlocked.Add(ref _state, -OneWaiting);
    }

    /// <summary>A call that waits.</summary>
    internal sealed class Waiter
    {
        private readonly TaskCompletionSource<bool> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Ends with the waiting: true when admitted, false when its place was given to another.</summary>
        public Task<bool> Admitted => _end.Task;

        /// <summary>Its place in the queue; null once it has none. Only looked at under the limiter's lock.</summary>
        public LinkedListNode<Waiter>? Place { get; set; }

        public void End(bool admitted) => _end.SetResult(admitted);
    }
}
