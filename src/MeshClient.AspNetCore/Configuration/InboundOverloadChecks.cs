using MeshClient.Configuration;
using MeshClient.Core.Naming;

namespace MeshClient.AspNetCore.Configuration;

/// <summary>Checks <see cref="MeshInboundOverloadOptions"/>.</summary>
internal static class InboundOverloadChecks
{
    private const string Key = "Overload";
    private const string WholeKey = $"{MeshInboundOptions.SectionName}:{Key}";

    public static void Check(OptionChecks checks, MeshInboundOverloadOptions options)
    {
        checks.Range($"{Key}:MaxConcurrency", options.MaxConcurrency, 1, 1_000_000);
        checks.Range($"{Key}:RetryAfter", options.RetryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        var adaptive = OverloadSettings.AdaptiveFor(null, options.Adaptive);
        OverloadChecks.CheckAdaptive(checks, $"{Key}:Adaptive", options.Adaptive, adaptive);
        OverloadChecks.CheckRate(checks, $"{Key}:RateLimit", options.RateLimit);
        OverloadChecks.CheckRate(checks, $"{Key}:CallerRateLimit", options.CallerRateLimit);
        foreach (var (caller, rate) in options.CallerRateLimits)
        {
            if (!ServiceName.TryParse(caller, out _))
            {
                checks.Add($"{WholeKey}:CallerRateLimits:{caller} is not a service name: letters, digits, - _ and . are allowed.");
            }

            OverloadChecks.CheckRate(checks, $"{Key}:CallerRateLimits:{caller}", rate);
        }

        CheckShares(checks, options.Shares, options.MaxConcurrency is not null || adaptive is not null);
    }

    private static void CheckShares(OptionChecks checks, Dictionary<string, MeshInboundShareOptions> shares, bool hasLimit)
    {
        foreach (var (name, share) in shares)
        {
            checks.Range($"{Key}:Shares:{name}:Percent", share.Percent, 1, 100);
            if (share.Priority is { } priority)
            {
                checks.OneOf($"{Key}:Shares:{name}:Priority", priority);
            }

            if (share.Caller is null ? share.Priority is null : !ServiceName.TryParse(share.Caller, out _) && !SpiffeId.TryParse(share.Caller, out _))
            {
                checks.Add(
                    $"{WholeKey}:Shares:{name}:Caller is '{share.Caller}'; it has to be a service's name or a SPIFFE id, or left out where there is a Priority.");
            }
        }

        foreach (var same in shares.GroupBy(pair => (pair.Value.Caller, pair.Value.Priority)).Where(group => group.Count() > 1))
        {
            checks.Add($"{WholeKey}:Shares has the same caller and priority in {string.Join(" and ", same.Select(pair => $"'{pair.Key}'"))}.");
        }

        if (shares.Values.Sum(share => (long)share.Percent) > 100)
        {
            checks.Add($"{WholeKey}:Shares come to {shares.Values.Sum(share => (long)share.Percent)} %; all together may be at most 100 %.");
        }

        if (shares.Count > 0 && !hasLimit)
        {
            checks.Add($"{WholeKey}:Shares are of a limit, but there is none: set {WholeKey}:MaxConcurrency or Adaptive:Enabled.");
        }
    }
}
