using System.Diagnostics.CodeAnalysis;
using System.Threading.RateLimiting;
using MeshClient.Configuration;

namespace MeshClient.Overload;

/// <summary>A rate limit that keeps nobody waiting: a token bucket that is filled when it is asked, without a timer.</summary>
/// <remarks>
/// Turner: "New Directions in Communications", IEEE Communications Magazine 24/10, 1986; the meter of RFC 2697. Tokens come in
/// fractions, <c>rate * time</c> of them up to the burst, so over any time at most <c>burst + rate * time</c> are taken.
/// The framework's <see cref="TokenBucketRateLimiter"/> keeps its own clock, tells a whole period where less is left of it, and does
/// not note how long it has been full: after a pause it fills once more what was just taken.
/// </remarks>
internal sealed class TokenBucket(RateSettings rate, TimeProvider time) : RateLimiter
{
    // What rounding may leave of a token that has come.
    private const double Rounding = 1e-9;

    private static readonly Lease Taken = new(retryAfter: null);

    private readonly Lock _lock = new();
    private readonly double _perTick = rate.PerSecond / time.TimestampFrequency;
    private double _tokens = rate.Burst;
    private long _filledAt = time.GetTimestamp();
    private long _taken;
    private long _refused;

    /// <summary>Null: nobody is to throw it away for not being asked.</summary>
    public override TimeSpan? IdleDuration => null;

    /// <summary>Takes a token now.</summary>
    /// <param name="retryAfter">When there will be one again; zero when there is one now.</param>
    public bool TryTake(out TimeSpan retryAfter) => TryTake(time.GetTimestamp(), out retryAfter);

    /// <summary>Takes a token as of a moment.</summary>
    /// <param name="now">The present timestamp, or one of a moment ago: tokens that have come since may not be seen.</param>
    /// <param name="retryAfter">How long after that, or after it was last asked, there will be one again; zero when there is one.</param>
    public bool TryTake(long now, out TimeSpan retryAfter)
    {
        var missing = Take(1, now);
        retryAfter = missing > 0 ? Until(missing) : TimeSpan.Zero;
        return missing == 0;
    }

    public override RateLimiterStatistics GetStatistics()
    {
        lock (_lock)
        {
            FillInLock(time.GetTimestamp());
            return new RateLimiterStatistics
            {
                CurrentAvailablePermits = (long)(_tokens + Rounding),
                TotalSuccessfulLeases = _taken,
                TotalFailedLeases = _refused,
            };
        }
    }

    protected override RateLimitLease AttemptAcquireCore(int permitCount)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(permitCount, rate.Burst);
        var missing = Take(permitCount, time.GetTimestamp());
        return missing > 0 ? new Lease(Until(missing)) : Taken;
    }

    protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken) =>
        ValueTask.FromResult(AttemptAcquireCore(permitCount));

    // How many are missing; 0: they are taken.
    private double Take(int count, long now)
    {
        lock (_lock)
        {
            FillInLock(now);
            var missing = count - _tokens;
            if (missing > Rounding)
            {
                _refused++;
                return missing;
            }

            _taken++;
            _tokens = Math.Max(0, -missing);
            return 0;
        }
    }

    private TimeSpan Until(double missing) => TimeSpan.FromTicks((long)Math.Ceiling(missing / rate.PerSecond * TimeSpan.TicksPerSecond));

    private void FillInLock(long now)
    {
        if (now > _filledAt)
        {
            _tokens = Math.Min(rate.Burst, _tokens + ((now - _filledAt) * _perTick));
            _filledAt = now;
        }
    }

    private sealed class Lease(TimeSpan? retryAfter) : RateLimitLease
    {
        public override bool IsAcquired => retryAfter is null;

        public override IEnumerable<string> MetadataNames => retryAfter is null ? [] : [MetadataName.RetryAfter.Name];

        public override bool TryGetMetadata(string metadataName, [NotNullWhen(true)] out object? metadata)
        {
            metadata = metadataName == MetadataName.RetryAfter.Name ? retryAfter : null;
            return metadata is not null;
        }
    }
}
