using System.Runtime.CompilerServices;

namespace MeshClient.Balancing;

/// <summary>
/// The expected latency of an instance, and its calls in flight: an average of its latencies that believes bad news at once and
/// good news slowly.
/// </summary>
/// <remarks>
/// Finagle's Peak-EWMA (com.twitter.finagle.loadbalancer.PeakEwma) in the form of Linkerd (linkerd2-proxy, linkerd/ewma):
/// a sample above the decayed average replaces it; one below moves it by <c>1 - e^(-dt/decay)</c>; reading decays without
/// writing, so an idle instance drifts back to attractive.
/// Of an instance never tried, and of one back from an ejection, nothing is taken for granted: <see cref="LatencyCost"/> takes it
/// to be as fast as the one it is compared with. Finagle's penalty for it lets one call at a time through until it has answered; and
/// any constant well above what the others need (Linkerd's 30 ms) means none at all, until the constant has decayed to their
/// level: <c>decay * ln(30 ms / 1 ms)</c> = 34 s.
/// The two fields are written without a lock: a lost update costs one sample, which the next one makes good; a torn pair
/// decays over a wrong span once.
/// A mutable struct, part of its owner: never copied.
/// </remarks>
internal struct PeakEwma
{
    private const double Unknown = -1;

    // A product is several times faster than a quotient, and this is worked out twice per pick.
    private readonly double _perDecay;
    private double _average;
    private long _stamp;
    private int _inFlight;

    /// <param name="decay">The time constant, in timestamp ticks.</param>
    public PeakEwma(double decay)
    {
        _perDecay = 1 / decay;
        _average = Unknown;
    }

    /// <summary>Calls whose answers have not been read to the end.</summary>
    public readonly int InFlight => Volatile.Read(in _inFlight);

    public void Begin() => Interlocked.Increment(ref _inFlight);

    public void End() => Interlocked.Decrement(ref _inFlight);

    /// <summary>Takes in one latency, in timestamp ticks.</summary>
    public void Observe(double latency, long now)
    {
        var average = Volatile.Read(ref _average);
        var weight = Weight(now, 1);
        Volatile.Write(ref _average, latency > average * weight ? latency : (latency * (1 - weight)) + (average * weight));
        Volatile.Write(ref _stamp, now);
    }

    /// <summary>Forgets all latencies, as of an instance never tried.</summary>
    public void Forget() => Volatile.Write(ref _average, Unknown);

    /// <summary>The average as it has decayed until now, in timestamp ticks; negative when nothing is known.</summary>
    /// <param name="now">The present timestamp.</param>
    /// <param name="slower">
    /// How many times slower it decays: for an instance that is called so many times more seldom than others, so that its news is
    /// as old as theirs.
    /// </param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly double Average(long now, double slower = 1)
    {
        var average = Volatile.Read(in _average);
        return average <= 0 ? average : average * Weight(now, slower);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly double Weight(long now, double slower)
    {
        var elapsed = (now - Volatile.Read(in _stamp)) * _perDecay;
        if (slower != 1)
        {
            elapsed /= slower;
        }

        // Below a hundredth of the time constant e^-x is 1 - x to four digits, and an exponential saved per pick.
        return elapsed < 0.01 ? 1 - Math.Max(0, elapsed) : Math.Exp(-elapsed);
    }
}
