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
        CheckCallerRates(checks, options.CallerRateLimits);
        CheckShares(checks, options.Shares, options.MaxConcurrency is not null || adaptive is not null);
    }

    private static void CheckCallerRates(OptionChecks checks, Dictionary<string, MeshCallerRateLimitOptions> rates)
    {
        foreach (var (name, rate) in rates)
        {
            if (rate.Caller is null && !ServiceName.TryParse(name, out _))
            {
                checks.Add(
                    $"{WholeKey}:CallerRateLimits:{name} is not a service name: letters, digits, - _ and . are allowed. Set its Caller where the entry is not named after its service.");
            }
            else if (rate.Caller is not null && !IsRateCaller(rate.Caller))
            {
                checks.Add(
                    $"{WholeKey}:CallerRateLimits:{name}:Caller is '{rate.Caller}'; it has to be a service's name, the SPIFFE id of a service, or that of another trust domain.");
            }

            OverloadChecks.CheckRate(checks, $"{Key}:CallerRateLimits:{name}", rate);
        }

        // As they are read, for the same id can be written in more than one way.
        foreach (var same in rates.GroupBy(pair => CallerOf(pair.Value.Caller ?? pair.Key)).Where(group => group.Count() > 1))
        {
            checks.Add($"{WholeKey}:CallerRateLimits has the same caller in {string.Join(" and ", same.Select(pair => $"'{pair.Key}'"))}.");
        }
    }

    // Callers are services; an id of another shape would be a limit of nobody.
    private static bool IsRateCaller(string caller) =>
        ServiceName.TryParse(caller, out _) || (SpiffeId.TryParse(caller, out var id) && (id.Path.Length == 0 || id.TryGetService(out _)));

    private static string CallerOf(string caller) => SpiffeId.TryParse(caller, out var id) ? id.ToString() : caller;

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
