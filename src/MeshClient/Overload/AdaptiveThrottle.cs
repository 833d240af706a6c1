namespace MeshClient.Overload;

/// <summary>
/// The share of calls to refuse here, because the service would refuse them: <c>max(0, (requests - K * accepts) / (requests + 1))</c>
/// over the last minutes, but no more than a bound. Google, "Site Reliability Engineering", chapter "Handling Overload" (K 2, two
/// minutes); the bound is Envoy's (admission control filter, max_rejection_probability).
/// </summary>
/// <remarks>
/// Calls refused here are counted as requests, so the share grows until the service gets K times what it accepts. A call counts
/// when its outcome is known: those that are merely slow must not look like refused ones. Counted in 24 slots, so what has grown
/// old falls out a little at a time.
/// The formula alone lets next to nothing through once a service has refused everything for a whole window: of n calls one, from
/// which it comes back e-fold in some 75 s, a quarter of an hour at a thousand calls a second. The bound keeps enough going
/// through for it to come back in the time of a window or two.
/// </remarks>
/// <param name="multiplier">K.</param>
/// <param name="windowTicks">Over what time calls are counted.</param>
/// <param name="most">The greatest share.</param>
internal sealed class AdaptiveThrottle(double multiplier, long windowTicks, double most)
{
    private const int Slots = 24;

    private readonly long _slotTicks = Math.Max(1, windowTicks / Slots);
    private readonly Lock _lock = new();
    private readonly (long Requests, long Accepts)[] _slots = new (long, long)[Slots];
    private long _requests;
    private long _accepts;
    private long _slot;
    private volatile bool _isRefusing;

    /// <summary>The service took the call, whatever came of it.</summary>
    public void Accepted(long now) => Count(now, 1);

    /// <summary>The service refused the call for overload.</summary>
    public void Refused(long now) => Count(now, 0);

    /// <summary>Whether to refuse a call here. One that is refused has been counted.</summary>
    /// <param name="now">The timestamp.</param>
    /// <param name="random">Numbers from 0 (inclusive) to 1 (exclusive).</param>
    public bool IsRefused(long now, MeshRandom random)
    {
        if (!_isRefusing || random.NextDouble() >= Probability(now))
        {
            return false;
        }

        Count(now, 0);
        return true;
    }

    /// <summary>The share of calls refused now.</summary>
    public double Probability(long now)
    {
        lock (_lock)
        {
            AdvanceInLock(now);
            return ProbabilityInLock();
        }
    }

    private void Count(long now, int accepts)
    {
        lock (_lock)
        {
            AdvanceInLock(now);
            ref var slot = ref _slots[_slot % Slots];
            slot.Requests++;
            slot.Accepts += accepts;
            _requests++;
            _accepts += accepts;
            _isRefusing = ProbabilityInLock() > 0;
        }
    }

    private double ProbabilityInLock() => Math.Clamp((_requests - (multiplier * _accepts)) / (_requests + 1), 0, most);

    private void AdvanceInLock(long now)
    {
        var slot = now / _slotTicks;
        if (slot - _slot > Slots)
        {
            Array.Clear(_slots);
            (_requests, _accepts, _slot) = (0, 0, slot);
        }

        while (_slot < slot)
        {
            ref var oldest = ref _slots[++_slot % Slots];
            _requests -= oldest.Requests;
            _accepts -= oldest.Accepts;
            oldest = default;
        }
    }
}
