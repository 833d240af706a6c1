namespace MeshClient.Core.Overload;

/// <summary>Adds one while all goes well and cuts by a tenth when it does not.</summary>
/// <remarks>
/// Netflix concurrency-limits, AIMDLimit, with its defaults: a dropped call, or a latency above 5 s, multiplies the limit by
/// 0.9; otherwise, where at least half of it was used, it grows by 1.
/// </remarks>
internal sealed class AimdLimit(AdaptiveLimitSettings settings, long frequency) : ConcurrencyLimit(settings)
{
    private const double BackOff = 0.9;
    private const int LongestSeconds = 5;

    protected override double Next(in LimitSample sample, double limit)
    {
        if (sample.HasDropped || sample.Latency > (double)LongestSeconds * frequency)
        {
            return Math.Floor(limit * BackOff);
        }

        return sample.InFlight * 2 >= limit ? limit + 1 : limit;
    }
}
