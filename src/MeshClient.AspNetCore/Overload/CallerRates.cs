using System.Collections.Concurrent;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Peers;
using MeshClient.Configuration;
using MeshClient.Overload;

namespace MeshClient.AspNetCore.Overload;

/// <summary>
/// How many requests per second are served, all together and per calling service. Names come from verified certificates, so no
/// caller can make up more of them than the mesh has. A member of another trust domain is counted by its whole id, so that it
/// takes nothing of what a service of this one may have.
/// </summary>
internal sealed class CallerRates : IDisposable
{
    private readonly MeshInboundOverloadOptions _options;
    private readonly TimeProvider _time;
    private readonly TokenBucket? _all;
    private readonly bool _isPerCaller;
    private readonly ConcurrentDictionary<string, TokenBucket?> _callers = new(StringComparer.Ordinal);

    public CallerRates(MeshInboundOverloadOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _all = Bucket(RateSettings.For(null, options.RateLimit));
        _isPerCaller = options.CallerRateLimit.PerSecond > 0 || options.CallerRateLimits.Values.Any(one => one.PerSecond > 0);
    }

    /// <summary>Whether there is any limit.</summary>
    public bool HasAny => _all is not null || _isPerCaller;

    /// <summary>Takes a request into account; false: it is too much, by which setting, and when it would not be.</summary>
    public bool TryTake(MeshPeer caller, out string setting, out TimeSpan retryAfter)
    {
        // The caller's own first: what it may not have is not to be taken from all.
        setting = nameof(MeshInboundOverloadOptions.CallerRateLimit);
        retryAfter = TimeSpan.Zero;
        if (_isPerCaller && _callers.GetOrAdd(caller.Source, Create) is { } own && !own.TryTake(out retryAfter))
        {
            return false;
        }

        setting = nameof(MeshInboundOverloadOptions.RateLimit);
        return _all is null || _all.TryTake(out retryAfter);
    }

    public void Dispose()
    {
        _all?.Dispose();
        foreach (var caller in _callers.Values)
        {
            caller?.Dispose();
        }
    }

    private TokenBucket? Create(string caller) =>
        Bucket(RateSettings.For(_options.CallerRateLimits.GetValueOrDefault(caller), _options.CallerRateLimit));

    private TokenBucket? Bucket(RateSettings? rate) => rate is null ? null : new TokenBucket(rate, _time);
}
