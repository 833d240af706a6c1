using MeshClient.Configuration;

namespace MeshClient.Tests.Configuration;

/// <summary>Which value is in force where several are given.</summary>
public sealed class DestinationSettingsTests
{
    [Fact]
    public void For_Hystrix_HasItsNumbers()
    {
        var settings = DestinationSettings.For(new MeshOptions { Defaults = { Profile = MeshProfile.Hystrix } }, "orders");
        Assert.Equal(
            (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), 10, 0),
            (settings.CallTimeout, settings.AttemptTimeout, settings.MaxConcurrency, settings.MaxRetries));
        Assert.NotNull(settings.CircuitBreaker);
        Assert.Equal(
            (0.5, 20, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(5)),
            (settings.CircuitBreaker.FailureRatio, settings.CircuitBreaker.MinimumThroughput, settings.CircuitBreaker.SamplingDuration, settings.CircuitBreaker.BreakDuration));
        Assert.Equal(MeshDefaults.ConnectTimeout, settings.ConnectTimeout);
    }

    [Fact]
    public void For_NothingSaid_HasNeitherHedgingNorBreakerNorFallback()
    {
        var settings = DestinationSettings.For(new MeshOptions(), "orders");
        Assert.Equal((null, null, null), (settings.Hedging, settings.CircuitBreaker, settings.Fallback));
        Assert.Equal(TimeSpan.FromSeconds(1), settings.FallbackTimeout);
        Assert.False(settings.Retry.ReplayStreams);
        Assert.Equal((MeshDefaults.MaxReplayBytes, MeshDefaults.RetryBaseDelay), (settings.Retry.MaxReplayBytes, settings.Retry.BaseDelay));
    }

    [Fact]
    public void For_OwnProfileAndValues_OwnValueBeforeOwnProfileBeforeDefaults()
    {
        var options = new MeshOptions
        {
            Defaults = { CallTimeout = TimeSpan.FromSeconds(7), ConnectTimeout = TimeSpan.FromSeconds(3), MaxConcurrency = 500, FallbackTimeout = TimeSpan.Zero },
        };
        options.Destinations["orders"] = new MeshDestinationOptions
        {
            Profile = MeshProfile.Hystrix,
            MaxConcurrency = 40,
            CircuitBreaker = new MeshCircuitBreakerOptions { MinimumThroughput = 6 },
        };
        var settings = DestinationSettings.For(options, "orders");
        Assert.Equal(
            (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3), 40),
            (settings.CallTimeout, settings.ConnectTimeout, settings.MaxConcurrency));
        Assert.Equal(TimeSpan.Zero, settings.FallbackTimeout);
        Assert.Equal((6, 0.5), (settings.CircuitBreaker!.MinimumThroughput, settings.CircuitBreaker.FailureRatio));
        Assert.Equal(TimeSpan.FromSeconds(7), DestinationSettings.For(options, "payments").CallTimeout);
    }

    [Theory]
    [InlineData(95, null, null, null, null, 0.05)]
    [InlineData(99, null, null, null, null, 0.01)]
    [InlineData(90, null, 0.3, null, null, 0.3)]
    [InlineData(null, 20, null, null, 20, 0.05)]
    [InlineData(null, 20, null, 97.0, null, 0.03)]
    public void For_Hedging_NearerWayOfSettingTheDelayCounts(
        int? commonPercentile, int? commonDelay, double? commonRatio, double? ownPercentile, int? delay, double ratio)
    {
        var options = new MeshOptions();
        var hedging = options.Defaults.Hedging;
        (hedging.Enabled, hedging.Percentile, hedging.BudgetRatio) = (true, commonPercentile, commonRatio);
        hedging.Delay = commonDelay is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null;
        options.Destinations["orders"] = new MeshDestinationOptions { Hedging = { Percentile = ownPercentile } };
        var settings = DestinationSettings.For(options, "orders").Hedging!;
        Assert.Equal((delay is null ? null : TimeSpan.FromMilliseconds(delay.Value), ratio), (settings.Delay, settings.BudgetRatio));
        options.Destinations["orders"].Hedging.Enabled = false;
        Assert.Null(DestinationSettings.For(options, "orders").Hedging);
    }

    [Fact]
    public void Validate_EverythingWrong_IsReportedAtOnce()
    {
        var options = new MeshOptions();
        options.Destinations["orders"] = new MeshDestinationOptions
        {
            Profile = (MeshProfile)9,
            Retry = new MeshRetryOptions
            {
                Statuses = [200],
                GrpcStatuses = ["UNAVAILABLE", "14", "OK", "RESOURCE_EXHAUSTED"],
                RepeatableEndpoints = ["/good/**", "PUT /good", "bad", "A B /c"],
                MaxReplayBytes = 0,
                BaseDelay = TimeSpan.FromMinutes(2),
                MaxDelay = TimeSpan.FromHours(1),
            },
            Hedging = new MeshHedgingOptions { Delay = TimeSpan.Zero, Percentile = 100, BudgetRatio = 0, MaxHedges = 5 },
            CircuitBreaker = new MeshCircuitBreakerOptions
            {
                FailureRatio = 0,
                MinimumThroughput = 1,
                SamplingDuration = TimeSpan.FromMilliseconds(1),
                BreakDuration = TimeSpan.FromDays(2),
            },
        };
        var result = new MeshOptionsValidator().Validate(null, options);
        var errors = result.Failures!.ToList();
        Assert.Equal(17, errors.Count);
        Assert.All(errors, error => Assert.StartsWith("Mesh:Destinations:orders:", error, StringComparison.Ordinal));
        Assert.Contains(errors, error => error.Contains("'14'", StringComparison.Ordinal));
        Assert.Contains(errors, error => error.Contains("'bad'", StringComparison.Ordinal));
    }
}
