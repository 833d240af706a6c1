namespace MeshClient.Health;

/// <summary>
/// How many of an instance's late calls succeeded and failed: each counts less the longer ago it was, by <c>e^(-age/window)</c>,
/// so the share of successes is an exponential moving average.
/// </summary>
/// <remarks>
/// Finagle's success rate (com.twitter.finagle.liveness.FailureAccrualPolicy, an EMA over 30 s) gives each call the weight of the time
/// since the one before; here each call has the same, so the rate and the number of calls it rests on come from the same counts.
/// A call costs one increment. What was counted is taken into the average only when somebody asks for it, which is when a call has
/// failed: calls that came evenly over a span are worth <c>count * window / span * (1 - e^(-span/window))</c> at its end. No
/// timer, and nothing to do for an instance that does not fail.
/// A mutable struct, part of its owner: never copied.
/// </remarks>
internal struct CallWindow
{
    private int _newSuccesses;
    private int _newFailures;
    private double _successes;
    private double _failures;
    private long _takenInAt;

    /// <summary>Counts successes. From any thread.</summary>
    public void Succeeded(int calls = 1) => Interlocked.Add(ref _newSuccesses, calls);

    /// <summary>Counts a failure. From any thread.</summary>
    public void Failed() => Interlocked.Increment(ref _newFailures);

    /// <summary>Forgets all.</summary>
    public void Clear(long now)
    {
        Interlocked.Exchange(ref _newSuccesses, 0);
        Interlocked.Exchange(ref _newFailures, 0);
        _successes = 0;
        _failures = 0;
        _takenInAt = now;
    }

    /// <summary>The calls until now. One thread at a time.</summary>
    /// <param name="now">The present timestamp.</param>
    /// <param name="windowTicks">The window, in timestamp ticks.</param>
    public CallCounts Read(long now, double windowTicks)
    {
        var span = (now - _takenInAt) / windowTicks;
        var (old, fresh) = span <= 0 ? (1, 1) : (Math.Exp(-span), (1 - Math.Exp(-span)) / span);
        _successes = (_successes * old) + (Interlocked.Exchange(ref _newSuccesses, 0) * fresh);
        _failures = (_failures * old) + (Interlocked.Exchange(ref _newFailures, 0) * fresh);
        _takenInAt = Math.Max(_takenInAt, now);
        return new CallCounts(_successes, _failures);
    }
}

/// <summary>Calls of a window, each counted by its age.</summary>
internal readonly record struct CallCounts(double Successes, double Failures)
{
    /// <summary>How many calls there were.</summary>
    public double Calls => Successes + Failures;

    /// <summary>The share that succeeded; 1 without calls.</summary>
    public double SuccessRate => Calls > 0 ? Successes / Calls : 1;
}
