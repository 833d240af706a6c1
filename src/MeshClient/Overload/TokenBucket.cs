using System.Threading.RateLimiting;
using MeshClient.Configuration;

namespace MeshClient.Overload;

/// <summary>A rate limit that keeps nobody waiting: a token bucket that is filled when it is asked, without a timer.</summary>
internal sealed class TokenBucket : IDisposable
{
    // Tokens come in steps this long, or longer for slow rates, since they come whole.
    private const double StepSeconds = 0.02;

    private readonly TokenBucketRateLimiter _limiter;

    public TokenBucket(RateSettings rate)
    {
        var tokens = Math.Max(1, (int)(rate.PerSecond * StepSeconds));
        _limiter = new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
        {
            TokenLimit = rate.Burst,
            TokensPerPeriod = tokens,
            ReplenishmentPeriod = TimeSpan.FromSeconds(tokens / rate.PerSecond),
            AutoReplenishment = false,
            QueueLimit = 0,
        });
    }

    /// <summary>Takes a token.</summary>
    /// <param name="retryAfter">When there will be one again; zero when there is one now.</param>
    public bool TryTake(out TimeSpan retryAfter)
    {
        _limiter.TryReplenish();
        using var lease = _limiter.AttemptAcquire();
        lease.TryGetMetadata(MetadataName.RetryAfter, out retryAfter);
        return lease.IsAcquired;
    }

    public void Dispose() => _limiter.Dispose();
}
