using MeshClient.Resilience;

namespace MeshClient.Configuration;

/// <summary>How calls are made to one service: what is in force once defaults and overrides are put together. Immutable.</summary>
internal sealed record DestinationSettings
{
    public required TimeSpan CallTimeout { get; init; }

    public required TimeSpan AttemptTimeout { get; init; }

    public required TimeSpan ConnectTimeout { get; init; }

    public required int MaxConcurrency { get; init; }

    public required int MaxRetries { get; init; }

    public required double RetryBudgetRatio { get; init; }

    public required int RetryBudgetPerSecond { get; init; }

    public required bool AllowPlaintext { get; init; }

    /// <summary>Null: as is best for the instance.</summary>
    public required bool? PreferHttp2 { get; init; }

    public required RetrySettings Retry { get; init; }

    /// <summary>Null: no call is made a second time for being slow.</summary>
    public required HedgingSettings? Hedging { get; init; }

    /// <summary>Null: no call is refused for the failures of others.</summary>
    public required CircuitBreakerSettings? CircuitBreaker { get; init; }

    /// <summary>Null: nothing of the inbound request goes along.</summary>
    public required ForwardSettings? Forward { get; init; }

    /// <summary>Null: a failed call is just that.</summary>
    public required MeshFallback? Fallback { get; init; }

    /// <summary>0: no limit.</summary>
    public required TimeSpan FallbackTimeout { get; init; }

    public required OverloadSettings Overload { get; init; }

    public required BalancingSettings Balancing { get; init; }

    public required HealthSettings Health { get; init; }

    /// <summary>
    /// Order of precedence, first wins: the service's own entry, the profile it names, <see cref="MeshOptions.Defaults"/>, the profile
    /// these name, <see cref="MeshDefaults"/>.
    /// </summary>
    public static DestinationSettings For(MeshOptions options, string service)
    {
        var own = DestinationProfiles.Complete(options.Destinations.GetValueOrDefault(service));
        var common = DestinationProfiles.Complete(options.Defaults)!;
        return new DestinationSettings
        {
            CallTimeout = own?.CallTimeout ?? common.CallTimeout ?? MeshDefaults.CallTimeout,
            AttemptTimeout = own?.AttemptTimeout ?? common.AttemptTimeout ?? MeshDefaults.AttemptTimeout,
            ConnectTimeout = own?.ConnectTimeout ?? common.ConnectTimeout ?? MeshDefaults.ConnectTimeout,
            MaxConcurrency = own?.MaxConcurrency ?? common.MaxConcurrency ?? MeshDefaults.MaxConcurrency,
            MaxRetries = own?.MaxRetries ?? common.MaxRetries ?? MeshDefaults.MaxRetries,
            RetryBudgetRatio = own?.RetryBudgetRatio ?? common.RetryBudgetRatio ?? MeshDefaults.RetryBudgetRatio,
            RetryBudgetPerSecond = own?.RetryBudgetPerSecond ?? common.RetryBudgetPerSecond ?? MeshDefaults.RetryBudgetPerSecond,
            AllowPlaintext = own?.AllowPlaintext ?? common.AllowPlaintext ?? false,
            PreferHttp2 = own?.PreferHttp2 ?? common.PreferHttp2,
            Retry = RetrySettings.For(own?.Retry, common.Retry),
            Hedging = HedgingSettings.For(own?.Hedging, common.Hedging),
            CircuitBreaker = CircuitBreakerSettings.For(own?.CircuitBreaker, common.CircuitBreaker),
            Forward = ForwardSettings.For(own?.Forward, common.Forward),
            Fallback = own?.Fallback ?? common.Fallback,
            FallbackTimeout = own?.FallbackTimeout ?? common.FallbackTimeout ?? MeshDefaults.FallbackTimeout,
            Overload = OverloadSettings.For(own?.Overload, common.Overload),
            Balancing = BalancingSettings.For(own?.Balancing, common.Balancing),
            Health = HealthSettings.For(own?.Health, common.Health),
        };
    }
}
