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
/// For the same reason what a failure counts as has an end: decayed alone, 5 s would keep an instance from its peers of 1 ms for
/// <c>decay * ln(5 s / 1 ms)</c> = 85 s, longer than it would have been ejected.
/// The fields are written without a lock: a lost update costs one sample, which the next one makes good; torn fields decay over
/// a wrong span once. Only what was forgotten meanwhile must not come back, since then its end would be forgotten.
/// A mutable struct, part of its owner: never copied.
/// </remarks>
internal struct PeakEwma
{
    private const double Unknown = -1;

    // Ticks of the timestamp in one of the moment a penalty ends, which has to fit into 32 bits: a millisecond by the system's clock.
    private const int EndShift = 20;

    // First what picks look at, and of these first what they look at where weights are equal.
    private double _level;
    private int _inFlight;
    private int _penaltyEnd;
    private long _stamp;
    private readonly double _perDecay;
    private double _average;

    /// <param name="decay">The time constant, in timestamp ticks.</param>
    public PeakEwma(double decay)
    {
        _perDecay = 1 / decay;
        Forget();
    }

    /// <summary>Calls whose answers have not been read to the end.</summary>
    public readonly int InFlight => Volatile.Read(in _inFlight);

    public void Begin() => Interlocked.Increment(ref _inFlight);

    public void End() => Interlocked.Decrement(ref _inFlight);

    /// <summary>Takes in one latency, in timestamp ticks.</summary>
    public void Observe(double latency, long now)
    {
        if (IsPenaltyOver(now))
        {
            Forget();
        }

        var wasPenalised = IsPenalised;
        var average = Volatile.Read(ref _average);
        var weight = Weight(now);
        average = latency > average * weight ? latency : (latency * (1 - weight)) + (average * weight);
        Volatile.Write(ref _average, average);
        Volatile.Write(ref _stamp, now);
        Volatile.Write(ref _level, Math.Log(Math.Max(average, 1)) + (now * _perDecay));
        if (wasPenalised && !IsPenalised)
        {
            Forget();
        }
    }

    /// <summary>Takes in what a failure counts as.</summary>
    /// <param name="latency">The latency it counts as, in timestamp ticks.</param>
    /// <param name="now">The present timestamp.</param>
    /// <param name="until">The timestamp from which on nothing is known any more, unless a failure lasts longer.</param>
    public void Penalise(double latency, long now, long until)
    {
        Observe(latency, now);
        // Rounded up, and never 0, which is none. The 32 bits go round after weeks; whoever was not called for so long has decayed.
        var end = (int)((until >> EndShift) + 1) is var rounded && rounded != 0 ? rounded : 1;
        if (!IsPenalised || end - Volatile.Read(in _penaltyEnd) > 0)
        {
            Volatile.Write(ref _penaltyEnd, end);
        }
    }

    /// <summary>Forgets all latencies, as of an instance never tried.</summary>
    public void Forget()
    {
        Volatile.Write(ref _average, Unknown);
        Volatile.Write(ref _level, double.NaN);
        Volatile.Write(ref _penaltyEnd, 0);
    }

    /// <summary>The average as it has decayed until now, in timestamp ticks; negative when nothing is known.</summary>
    public readonly double Average(long now)
    {
        var average = Volatile.Read(in _average);
        return average <= 0 ? average
            : IsPenaltyOver(now) ? Unknown
            : average * Weight(now);
    }

    /// <summary>
    /// The logarithm of the average, to be compared with that of another which decays as fast: less what all have decayed by since
    /// the clock began, so that neither the moment nor an exponential is needed. NaN when nothing is known. Not to be used while
    /// <see cref="IsPenalised"/>.
    /// </summary>
    public readonly double Level => Volatile.Read(in _level);

    /// <summary>Whether a failure is part of the average, and so may be over.</summary>
    public readonly bool IsPenalised => Volatile.Read(in _penaltyEnd) != 0;

    /// <summary>The same of one that decays at a speed of its own, now; NaN when nothing is known.</summary>
    /// <param name="now">The present timestamp.</param>
    /// <param name="slower">
    /// How many times slower it decays: for an instance that is called so many times more seldom than others, so that its news is
    /// as old as theirs.
    /// </param>
    public readonly double LevelAt(long now, double slower)
    {
        var elapsed = Math.Max(0, now - Volatile.Read(in _stamp)) * _perDecay;
        return IsPenaltyOver(now) ? double.NaN : Level + elapsed - (elapsed / slower);
    }

    private readonly bool IsPenaltyOver(long now) =>
        Volatile.Read(in _penaltyEnd) is var end && end != 0 && (int)(now >> EndShift) - end >= 0;

    private readonly double Weight(long now)
    {
        var elapsed = (now - Volatile.Read(in _stamp)) * _perDecay;
        // Below a hundredth of the time constant e^-x is 1 - x to four digits, and an exponential saved per call.
        return elapsed >= 0.01 ? Math.Exp(-elapsed) : elapsed > 0 ? 1 - elapsed : 1;
    }
}
