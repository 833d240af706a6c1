namespace MeshClient.Consul.Wire;

/// <summary>
/// Decides which blocking queries are open at a time, and for how long.
/// </summary>
/// <remarks>
/// A blocking query holds a connection, and Consul resets the 201st of a client. So there are slots, given out first come,
/// first served.
/// <list type="bullet">
/// <item>As long as every watch has a slot, each waits for the full time.</item>
/// <item>With more watches than slots, each wait is <c>max(1 s, period × slots / watches)</c>. Each watch then has its turn
/// about once per period (10 s; longer when the floor of 1 s holds, from ten watches a slot), and a change is seen at most
/// that much later.</item>
/// <item>When the first watch finds no slot, queries are parked with the long wait. They are cut short one after the other,
/// spread over one turn, and go to the end of the line by themselves. That costs their connections once; afterwards all
/// waits are short and end by themselves.</item>
/// <item>Waits stay short until nobody has stood in line for two periods; else a watch that is between two reads would make
/// the others look like few, and long waits would be given and cut in turns.</item>
/// </list>
/// Reads without an index and writes do not come here.
/// </remarks>
internal sealed class ParkedQueryGate(int slots, TimeSpan fullWait, TimeSpan period, TimeProvider timeProvider)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<TaskCompletionSource<Slot>> _line = [];
    private readonly LinkedList<Slot> _parked = [];
    private long? _lastCrowded;

    /// <summary>Waits for a slot.</summary>
    public async ValueTask<Slot> EnterAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        LinkedListNode<TaskCompletionSource<Slot>> place;
        lock (_lock)
        {
            if (_parked.Count < slots && _line.Count == 0)
            {
                return Grant_NeedsLock();
            }

            place = _line.AddLast(new TaskCompletionSource<Slot>(TaskCreationOptions.RunContinuationsAsynchronously));
            _lastCrowded = timeProvider.GetTimestamp();
            CutLongWaits_NeedsLock();
        }

        var registration = cancellationToken.UnsafeRegister(_ => Leave(place, cancellationToken), null);
        await using (registration.ConfigureAwait(false))
        {
            return await place.Value.Task.ConfigureAwait(false);
        }
    }

    private Slot Grant_NeedsLock()
    {
        var wait = IsCrowded_NeedsLock() ? Turn_NeedsLock() : fullWait;
        var slot = new Slot(this, wait, timeProvider);
        slot.Place = _parked.AddLast(slot);
        return slot;
    }

    private bool IsCrowded_NeedsLock() =>
        _line.Count > 0 || (_lastCrowded is { } last && timeProvider.GetElapsedTime(last) < 2 * period);

    private TimeSpan Turn_NeedsLock()
    {
        // At least one more than there are slots: while crowded, one may just be away between two reads.
        var watches = Math.Max(_parked.Count + _line.Count, slots + 1);
        var turn = Math.Max(period.Ticks * slots / watches, Math.Min(TimeSpan.TicksPerSecond, period.Ticks));
        return TimeSpan.FromTicks(Math.Min(turn, fullWait.Ticks));
    }

    private void CutLongWaits_NeedsLock()
    {
        var turn = Turn_NeedsLock();
        var cut = 0;
        foreach (var slot in _parked)
        {
            if (slot.Remaining > turn + turn)
            {
                cut++;
                slot.CutAfter(turn * cut / slots);
            }
        }
    }

    private void Leave(LinkedListNode<TaskCompletionSource<Slot>> place, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (place.List is null)
            {
                // The slot was granted at this very moment; whoever waits for it gets it, sees the cancellation and gives it back.
                return;
            }

            _line.Remove(place);
        }

        place.Value.TrySetCanceled(cancellationToken);
    }

    private void Release(Slot slot)
    {
        lock (_lock)
        {
            _parked.Remove(slot.Place!);
            if (_line.First is { } next)
            {
                // Asked before it leaves the line, so that it counts among the watches and as crowding.
                var granted = Grant_NeedsLock();
                _line.Remove(next);
                next.Value.SetResult(granted);
            }
        }
    }

    /// <summary>The right to have one query parked. To be disposed when the query has ended.</summary>
    internal sealed class Slot : IDisposable
    {
        private readonly ParkedQueryGate _gate;
        private readonly TimeProvider _timeProvider;
        private readonly CancellationTokenSource _cut;
        private readonly long _begin;
        private TimeSpan _end;
        private int _disposed;

        public Slot(ParkedQueryGate gate, TimeSpan wait, TimeProvider timeProvider)
        {
            _gate = gate;
            _timeProvider = timeProvider;
            _cut = new CancellationTokenSource(Timeout.InfiniteTimeSpan, timeProvider);
            _begin = timeProvider.GetTimestamp();
            _end = wait;
            Wait = wait;
        }

        /// <summary>How long the query may wait.</summary>
        public TimeSpan Wait { get; }

        /// <summary>Cancelled when the query has to end before its wait does and stand in line again.</summary>
        public CancellationToken Cut => _cut.Token;

        internal LinkedListNode<Slot>? Place { get; set; }

        internal TimeSpan Remaining => _end - _timeProvider.GetElapsedTime(_begin);

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                _gate.Release(this);
                _cut.Dispose();
            }
        }

        internal void CutAfter(TimeSpan time)
        {
            _end = _timeProvider.GetElapsedTime(_begin) + time;
            _cut.CancelAfter(time);
        }
    }
}
