namespace MeshClient.Balancing;

/// <summary>
/// The expected cost of sending a call to an instance: an average of its latencies that believes bad news at once and good
/// news slowly, times the calls it has in flight. Smaller is better.
/// </summary>
/// <remarks>
/// Finagle's Peak-EWMA (com.twitter.finagle.loadbalancer.PeakEwma) in the form of Linkerd (linkerd2-proxy, linkerd/ewma):
/// a sample above the decayed average replaces it; one below moves it by <c>1 - e^(-dt/decay)</c>; reading decays without
/// writing, so an idle instance drifts back to attractive. An instance never tried starts at <see cref="StartingLatency"/> instead
/// of Finagle's one-probe penalty, so a fresh list is spread over at once.
/// The two fields are written without a lock: a lost update costs one sample, which the next one makes good; a torn pair
/// decays over a wrong span once.
/// </remarks>
internal sealed class PeakEwma
{
    private readonly double _decayTicks;
    private double _average;
    private long _stamp;
    private int _inFlight;

    /// <param name="initialLatency">What an untried instance is taken to need, in timestamp ticks.</param>
    /// <param name="decay">The time constant, in timestamp ticks.</param>
    /// <param name="now">The present timestamp.</param>
    public PeakEwma(double initialLatency, double decay, long now)
    {
        _average = initialLatency;
        _decayTicks = decay;
        _stamp = now;
    }

    /// <summary>Calls whose answers have not been read to the end.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public void Begin() => Interlocked.Increment(ref _inFlight);

    public void End() => Interlocked.Decrement(ref _inFlight);

    /// <summary>Takes in one latency, in timestamp ticks.</summary>
    public void Observe(double latency, long now)
    {
        var average = Volatile.Read(ref _average);
        var weight = Weight(now);
        Volatile.Write(ref _average, latency > average * weight ? latency : (latency * (1 - weight)) + (average * weight));
        Volatile.Write(ref _stamp, now);
    }

    /// <summary>Forgets all latencies for one that is taken for granted, in timestamp ticks.</summary>
    public void Restart(double latency, long now)
    {
        Volatile.Write(ref _average, latency);
        Volatile.Write(ref _stamp, now);
    }

    /// <summary>The cost now, in timestamp ticks.</summary>
    /// <param name="perWeight">What a call in flight counts as: more than 1 for an instance that can take less than others.</param>
    /// <param name="now">The present timestamp.</param>
    public double Cost(double perWeight, long now) => Average(now) * ((Volatile.Read(ref _inFlight) * perWeight) + 1);

    /// <summary>The average as it has decayed until now, in timestamp ticks.</summary>
    public double Average(long now) => Volatile.Read(ref _average) * Weight(now);

    private double Weight(long now)
    {
        var elapsed = (now - Volatile.Read(ref _stamp)) / _decayTicks;
        // Below a hundredth of the time constant e^-x is 1 - x to four digits, and an exponential saved per pick.
        return elapsed <= 0 ? 1 : elapsed < 0.01 ? 1 - elapsed : Math.Exp(-elapsed);
    }
}
