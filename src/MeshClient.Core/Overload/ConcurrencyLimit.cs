namespace MeshClient.Core.Overload;

/// <summary>How many calls may be in flight, by one algorithm. Not safe for several threads: <see cref="AdaptiveLimit"/> is.</summary>
internal abstract class ConcurrencyLimit(AdaptiveLimitSettings settings)
{
    /// <summary>The limit, with its fraction.</summary>
    public double Value { get; private set; } = Math.Clamp(settings.Initial, settings.Min, settings.Max);

    /// <summary>Takes in a window of calls.</summary>
    public void Update(in LimitSample sample) => Value = Math.Clamp(Next(sample, Value), settings.Min, settings.Max);

    /// <summary>Makes the one asked for.</summary>
    /// <param name="settings">What it is asked for by.</param>
    /// <param name="frequency">Ticks in a second.</param>
    /// <param name="random">Numbers from 0 to 1.</param>
    public static ConcurrencyLimit Create(AdaptiveLimitSettings settings, long frequency, Func<double> random) => settings.Algorithm switch
    {
        LimitAlgorithm.Aimd => new AimdLimit(settings, frequency),
        LimitAlgorithm.Vegas => new VegasLimit(settings, random),
        _ => new Gradient2Limit(settings),
    };

    /// <summary>The limit after a window; its bounds are kept for it.</summary>
    protected abstract double Next(in LimitSample sample, double limit);
}
