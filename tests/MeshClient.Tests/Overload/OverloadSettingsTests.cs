using MeshClient.Configuration;
using MeshClient.Core.Overload;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Overload;

public sealed class OverloadSettingsTests
{
    [Fact]
    public void For_NothingSet_NothingIsDoneButTheFixedLimit()
    {
        var settings = DestinationSettings.For(new MeshOptions(), "orders").Overload;

        Assert.Equal(new OverloadSettings(0, MeshDefaults.QueueTimeout, null, null, null), settings);
    }

    [Fact]
    public void For_OwnAndCommon_OwnWinsPropertyByProperty()
    {
        var options = new MeshOptions
        {
            Defaults =
            {
                Overload =
                {
                    QueueLength = 10,
                    Adaptive = { Enabled = true, Algorithm = LimitAlgorithm.Aimd, MaxLimit = 500, LatencyTolerance = 2, BackoffRatio = 0.8 },
                    RateLimit = { PerSecond = 50, Burst = 70 },
                    Throttling = { Enabled = true, Multiplier = 1.5, MaxProbability = 0.5 },
                },
            },
        };
        options.Destinations["orders"] = new()
        {
            Overload = { QueueTimeout = TimeSpan.FromSeconds(3), Adaptive = { InitialLimit = 30, BackoffRatio = 0.7, LatencyLimit = TimeSpan.FromSeconds(1) }, RateLimit = { PerSecond = 0.5 }, Throttling = { Enabled = false } },
        };
        options.Destinations["free"] = new() { Overload = { Adaptive = { Enabled = false }, RateLimit = { PerSecond = 0 } } };

        Assert.Equal(
            new OverloadSettings(
                10,
                TimeSpan.FromSeconds(3),
                new AdaptiveLimitSettings(LimitAlgorithm.Aimd, 30, 20, 500, MeshDefaults.LimitWindow, 2, 0.7, TimeSpan.FromSeconds(1)),
                new RateSettings(0.5, 70),
                null),
            DestinationSettings.For(options, "orders").Overload);
        Assert.Equal(
            new OverloadSettings(10, MeshDefaults.QueueTimeout, null, null, new ThrottlingSettings(1.5, MeshDefaults.ThrottlingWindow, 0.5)),
            DestinationSettings.For(options, "free").Overload);
    }

    [Theory]
    [InlineData(LimitAlgorithm.Gradient2, null, null, null, 20, 20, 200)]
    [InlineData(LimitAlgorithm.Aimd, null, null, null, 20, 20, 200)]
    [InlineData(LimitAlgorithm.Vegas, null, null, null, 20, 1, 1000)]
    [InlineData(LimitAlgorithm.Gradient2, null, null, 10, 10, 10, 10)]
    [InlineData(LimitAlgorithm.Gradient2, null, 50, null, 50, 50, 200)]
    [InlineData(LimitAlgorithm.Gradient2, 5, null, null, 5, 5, 200)]
    [InlineData(LimitAlgorithm.Gradient2, 300, null, null, 300, 20, 300)]
    [InlineData(LimitAlgorithm.Gradient2, null, 400, null, 400, 400, 400)]
    public void AdaptiveFor_SomeBoundsSet_TheOthersGiveWay(
        LimitAlgorithm algorithm, int? initial, int? min, int? max, int expectedInitial, int expectedMin, int expectedMax)
    {
        var settings = OverloadSettings.AdaptiveFor(
            null, new() { Enabled = true, Algorithm = algorithm, InitialLimit = initial, MinLimit = min, MaxLimit = max })!;

        Assert.Equal((expectedInitial, expectedMin, expectedMax), (settings.Initial, settings.Min, settings.Max));
        var options = new MeshOptions { Defaults = { Overload = { Adaptive = { Enabled = true, InitialLimit = initial, MinLimit = min, MaxLimit = max } } } };
        Assert.True(new MeshOptionsValidator().Validate(null, options).Succeeded);
    }

    [Fact]
    public void Validate_EverythingWrong_IsReportedAtOnce()
    {
        var options = new MeshOptions
        {
            Defaults =
            {
                Overload =
                {
                    QueueLength = -1,
                    QueueTimeout = TimeSpan.Zero,
                    Adaptive =
                    {
                        Enabled = true,
                        Algorithm = (LimitAlgorithm)9,
                        InitialLimit = 7,
                        MinLimit = 8,
                        MaxLimit = 9,
                        Window = TimeSpan.Zero,
                        LatencyTolerance = 0.9,
                        BackoffRatio = 1,
                        LatencyLimit = TimeSpan.Zero,
                    },
                    RateLimit = { PerSecond = -1, Burst = 0 },
                    Throttling = { Multiplier = 1, Window = TimeSpan.Zero, MaxProbability = 0 },
                },
            },
        };

        var failures = new MeshOptionsValidator().Validate(null, options).Failures!.ToList();

        string[] keys =
        [
            "QueueLength is -1", "QueueTimeout is", "Adaptive:Algorithm is 9", "Adaptive:MinLimit, InitialLimit and MaxLimit are 8, 7 and 9", "Adaptive:Window is",
            "Adaptive:LatencyTolerance is 0.9", "Adaptive:BackoffRatio is 1", "Adaptive:LatencyLimit is 00:00:00",
            "RateLimit:PerSecond is -1", "RateLimit:Burst is 0", "Throttling:Multiplier is 1", "Throttling:Window is", "Throttling:MaxProbability is 0",
        ];
        Assert.Equal(keys.Length, failures.Count);
        Assert.All(keys, key => Assert.Single(failures, failure => failure.StartsWith($"Mesh:Defaults:Overload:{key}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Configuration_WholeSection_IsReadAndUnknownKeysAreRefused()
    {
        await using var env = new MeshTestEnvironment(configuration:
        [
            new("Mesh:Destinations:orders:Overload:QueueLength", "5"),
            new("Mesh:Destinations:orders:Overload:Adaptive:Enabled", "true"),
            new("Mesh:Destinations:orders:Overload:Adaptive:Algorithm", "Vegas"),
            new("Mesh:Destinations:orders:Overload:Adaptive:LatencyTolerance", "1.25"),
            new("Mesh:Destinations:orders:Overload:Adaptive:BackoffRatio", "0.75"),
            new("Mesh:Destinations:orders:Overload:Adaptive:LatencyLimit", "00:00:02"),
            new("Mesh:Destinations:orders:Overload:RateLimit:PerSecond", "0.5"),
            new("Mesh:Destinations:orders:Overload:Throttling:Enabled", "true"),
        ]);
        var options = env.Services.GetService(typeof(Microsoft.Extensions.Options.IOptions<MeshOptions>)) as Microsoft.Extensions.Options.IOptions<MeshOptions>;

        Assert.Equal(
            new OverloadSettings(
                5,
                MeshDefaults.QueueTimeout,
                new AdaptiveLimitSettings(LimitAlgorithm.Vegas, 20, 1, 1000, MeshDefaults.LimitWindow, 1.25, 0.75, TimeSpan.FromSeconds(2)),
                new RateSettings(0.5, 1),
                new ThrottlingSettings(2, MeshDefaults.ThrottlingWindow, 0.8)),
            DestinationSettings.For(options!.Value, "orders").Overload);
        await using var misspelt = new MeshTestEnvironment(configuration: [new("Mesh:Defaults:Overload:Adaptive:Enable", "true")]);
        var failure = Assert.ThrowsAny<Exception>(() => misspelt.Handlers);
        Assert.Contains("Overload:Adaptive:Enable is not a known setting", failure.ToString(), StringComparison.Ordinal);
    }
}
