namespace MeshClient.Core.Overload;

/// <summary>
/// Keeps the queue on the other side short, as TCP Vegas does: what a call takes beyond the shortest time seen, it has waited.
/// </summary>
/// <remarks>
/// Netflix concurrency-limits, VegasLimit, with its defaults (after Brakmo, O'Malley, Peterson: "TCP Vegas", SIGCOMM 1994).
/// <c>queue = ceil(limit * (1 - shortest / latency))</c> and <c>L = max(1, log10(limit))</c>. A dropped call: <c>-L</c>. Where less
/// than half of the limit was used it stays. Otherwise queue &lt;= L: <c>+6L</c>; &lt; 3L: <c>+L</c>; &gt; 6L: <c>-L</c>; else it
/// stays. The shortest time is forgotten after <c>30 * limit * rand(0.5..1)</c> windows, or one lucky moment, or a service that
/// has become slower, would hold the limit down for ever; the lower it is held, the sooner. At random, so that clients do not
/// probe together.
/// </remarks>
internal sealed class VegasLimit : ConcurrencyLimit
{
    private const double Alpha = 3;
    private const double Beta = 6;
    private const double ProbeMultiplier = 30;

    private readonly Func<double> _random;
    private double _shortest;
    private double _jitter;
    private long _windows;

    public VegasLimit(AdaptiveLimitSettings settings, Func<double> random)
        : base(settings)
    {
        _random = random;
        DrawJitter();
    }

    protected override double Next(in LimitSample sample, double limit)
    {
        _windows++;
        if (sample.Latency > 0)
        {
            var isProbe = _windows >= ProbeMultiplier * limit * _jitter;
            if (isProbe)
            {
                _windows = 0;
                DrawJitter();
            }

            if (isProbe || _shortest == 0 || sample.Latency < _shortest)
            {
                _shortest = sample.Latency;
                return limit;
            }
        }

        var step = Math.Max(1, Math.Log10(limit));
        if (sample.HasDropped)
        {
            return limit - step;
        }

        if (sample.Latency <= 0 || sample.InFlight * 2 < limit)
        {
            return limit;
        }

        var queue = Math.Ceiling(limit * (1 - (_shortest / sample.Latency)));
        return queue <= step ? limit + (Beta * step)
            : queue < Alpha * step ? limit + step
            : queue > Beta * step ? limit - step
            : limit;
    }

    private void DrawJitter() => _jitter = 0.5 + (_random() / 2);
}
