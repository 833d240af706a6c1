using System.Collections.Concurrent;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Peers;
using MeshClient.Configuration;
using MeshClient.Core.Naming;
using MeshClient.Overload;

namespace MeshClient.AspNetCore.Overload;

/// <summary>
/// How many requests per second are served, all together and per caller. Names come from verified certificates, so the services of
/// this trust domain are no more than the mesh has. Another trust domain's authority can make up any number of ids; where intentions
/// are only tried, each would have a burst of its own and stay here for good. So those without an entry of their own are counted
/// together. They take nothing of what a service of this trust domain may have, whatever their name.
/// </summary>
internal sealed class CallerRates : IDisposable
{
    private readonly MeshInboundOverloadOptions _options;
    private readonly TimeProvider _time;
    private readonly TokenBucket? _all;
    private readonly bool _isPerCaller;

    // Those with an entry of their own; those of this trust domain by name; all others by their trust domain.
    private readonly Dictionary<SpiffeId, TokenBucket?> _ids = [];
    private readonly ConcurrentDictionary<ServiceName, TokenBucket?> _services = [];
    private readonly ConcurrentDictionary<string, TokenBucket?> _domains = new(StringComparer.Ordinal);

    public CallerRates(MeshInboundOverloadOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _all = Bucket(RateSettings.For(null, options.RateLimit));
        _isPerCaller = options.CallerRateLimit.PerSecond > 0 || options.CallerRateLimits.Values.Any(one => one.PerSecond > 0);
        foreach (var (name, rate) in options.CallerRateLimits)
        {
            Add(rate.Caller ?? name, Bucket(RateSettings.For(rate, options.CallerRateLimit)));
        }
    }

    /// <summary>Whether there is any limit.</summary>
    public bool HasAny => _all is not null || _isPerCaller;

    /// <summary>Takes a request into account; false: it is too much, by which setting, and when it would not be.</summary>
    public bool TryTake(MeshPeer caller, out string setting, out TimeSpan retryAfter)
    {
        // The caller's own first: what it may not have is not to be taken from all.
        setting = nameof(MeshInboundOverloadOptions.CallerRateLimit);
        retryAfter = TimeSpan.Zero;
        if (_isPerCaller && Find(caller) is { } own && !own.TryTake(out retryAfter))
        {
            return false;
        }

        setting = nameof(MeshInboundOverloadOptions.RateLimit);
        return _all is null || _all.TryTake(out retryAfter);
    }

    public void Dispose()
    {
        _all?.Dispose();
        foreach (var caller in (IEnumerable<TokenBucket?>)[.. _ids.Values, .. _services.Values, .. _domains.Values])
        {
            caller?.Dispose();
        }
    }

    private void Add(string caller, TokenBucket? bucket)
    {
        if (!SpiffeId.TryParse(caller, out var id))
        {
            _services[ServiceName.Parse(caller)] = bucket;
        }
        else if (id.Path.Length == 0)
        {
            _domains[id.TrustDomain] = bucket;
        }
        else
        {
            _ids[id] = bucket;
        }
    }

    private TokenBucket? Find(MeshPeer caller) =>
        _ids.Count > 0 && _ids.TryGetValue(caller.Id, out var ofId) ? ofId
        : caller.IsForeign ? _domains.GetOrAdd(caller.Id.TrustDomain, static (_, rates) => rates.CreateForOther(), this)
        : _services.GetOrAdd(caller.Service, static (_, rates) => rates.CreateForOther(), this);

    private TokenBucket? CreateForOther() => Bucket(RateSettings.For(null, _options.CallerRateLimit));

    private TokenBucket? Bucket(RateSettings? rate) => rate is null ? null : new TokenBucket(rate, _time);
}
