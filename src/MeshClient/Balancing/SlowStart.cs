using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Gives an instance that has just come, or come back from an ejection, its share bit by bit, so that caches, pools and a just-in-time
/// compiler can warm up. One per service.
/// </summary>
/// <remarks>
/// Envoy's slow start: during the window the share is <c>max(least, (age / window) ^ (1 / aggression))</c> of the full one; aggression
/// 1 grows it in a straight line. Envoy lowers the weight by that factor; here a pick of the instance is let stand with that
/// probability and made anew otherwise, which also works where weights do not: among idle instances, and in turn.
/// Instances of the first list are old for all anybody knows.
/// </remarks>
internal sealed class SlowStart(TimeSpan window, double least, double aggression, long frequency)
{
    private readonly double _windowTicks = window.TotalSeconds * frequency;
    private long _overAt = long.MinValue;

    /// <summary>Whether nobody is held back any more.</summary>
    public bool IsOver(long now) => now >= Volatile.Read(ref _overAt);

    /// <summary>An instance has come, or come back.</summary>
    public void Begin(InstanceState instance, long now)
    {
        instance.WarmingSince = now;
        // Two at once may write the lesser end last: by as little as they came apart, which no one can tell from jitter.
        Volatile.Write(ref _overAt, Math.Max(Volatile.Read(ref _overAt), now + (long)_windowTicks));
    }

    /// <summary>Whether a pick of this instance is let stand.</summary>
    public bool Admits(InstanceState instance, in PickCall call)
    {
        var share = Share(call.Now - instance.WarmingSince);
        return share >= 1 || call.Random.NextDouble() < share;
    }

    /// <summary>The share of the full one at an age, in timestamp ticks.</summary>
    public double Share(long age) =>
        age >= _windowTicks ? 1 : Math.Max(least, Math.Pow(Math.Max(0, age) / _windowTicks, 1 / aggression));
}
