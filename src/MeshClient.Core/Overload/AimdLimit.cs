namespace MeshClient.Core.Overload;

/// <summary>Adds one while all goes well and cuts by a part when it does not.</summary>
/// <remarks>
/// Netflix concurrency-limits, AIMDLimit: a dropped call, or a latency above <see cref="AdaptiveLimitSettings.LatencyLimit"/> (there
/// 5 s), multiplies the limit by <see cref="AdaptiveLimitSettings.BackoffRatio"/> (0.9); otherwise, where at least half of it was
/// used, it grows by 1.
/// </remarks>
internal sealed class AimdLimit(AdaptiveLimitSettings settings, long frequency) : ConcurrencyLimit(settings)
{
    private readonly double _backOff = settings.BackoffRatio;
    private readonly double _longest = settings.LatencyLimit.TotalSeconds * frequency;

    protected override double Next(in LimitSample sample, double limit)
    {
        if (sample.HasDropped || sample.Latency > _longest)
        {
            return Math.Floor(limit * _backOff);
        }

        return sample.InFlight * 2 >= limit ? limit + 1 : limit;
    }
}
