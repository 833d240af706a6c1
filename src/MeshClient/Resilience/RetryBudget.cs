namespace MeshClient.Resilience;

/// <summary>
/// How many retries a service may get from this process: a share of the calls made, plus a few a second so that services that
/// are seldom called can be retried at all. One per service, shared by all its clients. It bounds what a failing service
/// gets to 1.2 times its calls plus 10 a second, where a fixed number of retries per call would multiply its load.
/// </summary>
/// <remarks>
/// Finagle, com.twitter.finagle.service.RetryBudget: each call deposits <c>ratio</c>, each retry withdraws 1; a deposit is good for
/// a window of 10 s; a reserve of <c>perSecond * window</c> is always there. Deposits are counted in 10 slots of the window, so
/// what has grown old falls out a tenth at a time; withdrawals are counted in the same slots. Each processor has slots of its own for
/// deposits, since every call makes one.
/// </remarks>
internal sealed class RetryBudget
{
    private const int Slots = 10;

    private readonly double _ratio;
    private readonly long _reserve;
    private readonly long _slotTicks;
    private readonly Lock _lock = new();
    private readonly long[] _deposits = new long[ProcessorStripe.ArrayLength];
    private readonly long[] _withdrawals = new long[Slots];
    private long _slot;
    private long _slotEndsAt;

    /// <param name="ratio">Retries per call.</param>
    /// <param name="perSecond">Retries per second however few calls there are.</param>
    /// <param name="window">How long a call counts.</param>
    /// <param name="frequency">Ticks of the timestamp in a second.</param>
    public RetryBudget(double ratio, int perSecond, TimeSpan window, long frequency)
    {
        _ratio = ratio;
        _reserve = (long)(perSecond * window.TotalSeconds);
        _slotTicks = Math.Max(1, (long)(window.TotalSeconds / Slots * frequency));
    }

    /// <summary>A call was made.</summary>
    public void Deposit(long now)
    {
        var slot = Advance(now);
        Interlocked.Increment(ref _deposits[ProcessorStripe.Current + (int)(slot % Slots)]);
    }

    /// <summary>Asks for a retry.</summary>
    public bool TryWithdraw(long now)
    {
        var slot = Advance(now);
        lock (_lock)
        {
            if (BalanceInLock() < 1)
            {
                return false;
            }

            _withdrawals[slot % Slots]++;
            return true;
        }
    }

    /// <summary>How many retries may be made now; never less than none, though those made may outlive the calls that paid for them.</summary>
    public double Balance(long now)
    {
        Advance(now);
        lock (_lock)
        {
            return Math.Max(0, BalanceInLock());
        }
    }

    private double BalanceInLock()
    {
        long deposits = 0, withdrawals = 0;
        for (var i = 0; i < Slots; i++)
        {
            withdrawals += _withdrawals[i];
            for (var place = 0; place < ProcessorStripe.Count; place++)
            {
                deposits += Volatile.Read(ref _deposits[ProcessorStripe.At(place) + i]);
            }
        }

        return (deposits * _ratio) + _reserve - withdrawals;
    }

    // Empties the slots that time has passed since the last call; returns the present one.
    private long Advance(long now)
    {
        // Nearly always, and without a division.
        if (now < Volatile.Read(ref _slotEndsAt))
        {
            return Volatile.Read(ref _slot);
        }

        var slot = now / _slotTicks;
        lock (_lock)
        {
            for (var i = Math.Max(_slot + 1, slot - Slots + 1); i <= slot; i++)
            {
                _withdrawals[i % Slots] = 0;
                for (var place = 0; place < ProcessorStripe.Count; place++)
                {
                    Volatile.Write(ref _deposits[ProcessorStripe.At(place) + (int)(i % Slots)], 0);
                }
            }

            Volatile.Write(ref _slot, Math.Max(_slot, slot));
            Volatile.Write(ref _slotEndsAt, (_slot + 1) * _slotTicks);
            return _slot;
        }
    }
}
