namespace MeshClient.Core.Overload;

/// <summary>
/// Follows the ratio of two latencies, that of now and that of the last minutes, without ever having to stop traffic to measure
/// an idle one.
/// </summary>
/// <remarks>
/// Netflix concurrency-limits, Gradient2Limit, with its defaults. Per window: <c>long</c> is an exponential mean over 600
/// windows, a plain one for the first 10; <c>short</c> is the window's own latency. Where <c>long / short &gt; 2</c>, as after an
/// overload, <c>long</c> is cut by 5 %, so that it comes down sooner than its mean would. Where less than half of the limit
/// was used it stays: what nobody used has proved nothing. Otherwise
/// <c>gradient = clamp(tolerance * long / short, 0.5, 1)</c>, <c>new = limit * gradient + 4</c> and
/// <c>limit = 0.8 * limit + 0.2 * new</c>. The 4 is the queue a limit may always have, which lets it grow at all; the tolerance
/// (<see cref="AdaptiveLimitSettings.LatencyTolerance"/>, there 1.5) is how much slower calls may become before it shrinks. Refused
/// calls say nothing here: they took no time.
/// </remarks>
internal sealed class Gradient2Limit(AdaptiveLimitSettings settings) : ConcurrencyLimit(settings)
{
    private const double LeastGradient = 0.5;
    private const double Queue = 4;
    private const double Smoothing = 0.2;
    private const double FarAbove = 2;
    private const double Recovery = 0.95;
    private const int LongWindows = 600;
    private const int WarmUpWindows = 10;
    private const double LongFactor = 2.0 / (LongWindows + 1);

    private readonly double _tolerance = settings.LatencyTolerance;
    private double _long;
    private double _sum;
    private int _windows;

    /// <summary>What calls have taken over the last minutes, in ticks.</summary>
    public double LongLatency => _long;

    protected override double Next(in LimitSample sample, double limit)
    {
        if (sample.Latency <= 0)
        {
            return limit;
        }

        Remember(sample.Latency);
        var ratio = _long / sample.Latency;
        if (ratio > FarAbove)
        {
            _long *= Recovery;
        }

        if (sample.InFlight < limit / 2)
        {
            return limit;
        }

        var gradient = Math.Clamp(_tolerance * ratio, LeastGradient, 1);
        return (limit * (1 - Smoothing)) + (((limit * gradient) + Queue) * Smoothing);
    }

    private void Remember(double latency)
    {
        if (_windows < WarmUpWindows)
        {
            _windows++;
            _sum += latency;
            _long = _sum / _windows;
        }
        else
        {
            _long += (latency - _long) * LongFactor;
        }
    }
}
