using MeshClient.Core.Overload;

namespace MeshClient.Core.Tests.Overload;

/// <summary>The algorithms against numbers worked out by hand from the published formulas.</summary>
public sealed class ConcurrencyLimitTests
{
    private const long Frequency = 1000;

    [Fact]
    public void Gradient2_LatencyStaysAndLimitIsUsed_GrowsByAFifthOfTheQueue()
    {
        var limit = Create(LimitAlgorithm.Gradient2);

        // 20 * 0.8 + (20 * 1 + 4) * 0.2
        Update(limit, 100, 20);
        Assert.Equal(20.8, limit.Value, 9);
        Update(limit, 100, 20);
        Assert.Equal(21.6, limit.Value, 9);

        // long = (100 + 100 + 300) / 3; gradient = 1.5 * long / 300 = 0.8333; 21.6 * 0.8 + (21.6 * 0.8333 + 4) * 0.2
        Update(limit, 300, 20);
        Assert.Equal(21.68, limit.Value, 9);
    }

    [Theory]
    [InlineData(1, 0.75)]
    [InlineData(1.2, 0.9)]
    [InlineData(2, 1)]
    public void Gradient2_CallsBecomeSlower_ToleranceTellsByHowMuchItShrinks(double tolerance, double gradient)
    {
        var limit = ConcurrencyLimit.Create(
            LimitSettings.Of(LimitAlgorithm.Gradient2) with { LatencyTolerance = tolerance }, Frequency, () => 0.5);

        // 20 * 0.8 + (20 * 1 + 4) * 0.2
        Update(limit, 100, 20);
        Assert.Equal(20.8, limit.Value, 9);

        // long = (100 + 200) / 2, so long / short = 0.75
        Update(limit, 200, 20);
        Assert.Equal((20.8 * 0.8) + (((20.8 * gradient) + 4) * 0.2), limit.Value, 9);
    }

    [Fact]
    public void Gradient2_AfterWarmUp_LongLatencyIsAnExponentialMeanOverSixHundredWindows()
    {
        var limit = (Gradient2Limit)Create(LimitAlgorithm.Gradient2, initial: 100, min: 1);
        for (var i = 0; i < 10; i++)
        {
            Update(limit, 100, 100);
        }

        Assert.Equal(108, limit.Value, 9);
        Update(limit, 1000, 108);

        Assert.Equal(100 + (900 * 2.0 / 601), limit.LongLatency, 9);
        // The gradient is cut off at a half: 108 * 0.8 + (54 + 4) * 0.2
        Assert.Equal(98, limit.Value, 9);
    }

    [Fact]
    public void Gradient2_LatencyFallsFarBelowTheLongOne_LongOneIsCutToo()
    {
        var limit = (Gradient2Limit)Create(LimitAlgorithm.Gradient2);
        for (var i = 0; i < 10; i++)
        {
            Update(limit, 100, 20);
        }

        Update(limit, 40, 20);

        Assert.Equal((100 - (60 * 2.0 / 601)) * 0.95, limit.LongLatency, 9);
    }

    [Theory]
    [InlineData(LimitAlgorithm.Gradient2)]
    [InlineData(LimitAlgorithm.Aimd)]
    [InlineData(LimitAlgorithm.Vegas)]
    public void AnyAlgorithm_LessThanHalfOfTheLimitUsed_Stays(LimitAlgorithm algorithm)
    {
        var limit = Create(algorithm);
        for (var i = 0; i < 20; i++)
        {
            Update(limit, 100, 9);
        }

        Assert.Equal(20, limit.Value);
    }

    [Fact]
    public void Aimd_GoodDroppedAndSlow_AddsOneOrTakesATenth()
    {
        var limit = Create(LimitAlgorithm.Aimd, initial: 30);

        Update(limit, 100, 15);
        Assert.Equal(31, limit.Value);
        Update(limit, 100, 31, dropped: true);
        Assert.Equal(27, limit.Value);
        Update(limit, (5 * Frequency) + 1, 27);
        Assert.Equal(24, limit.Value);
        Update(limit, 5 * Frequency, 24);
        Assert.Equal(25, limit.Value);
        Update(limit, 0, 25, dropped: true);
        Assert.Equal(22, limit.Value);
    }

    [Fact]
    public void Aimd_RatioAndLatencyLimitSet_AreWhatItShrinksByAndFrom()
    {
        var limit = ConcurrencyLimit.Create(
            LimitSettings.Of(LimitAlgorithm.Aimd, initial: 40) with { BackoffRatio = 0.5, LatencyLimit = TimeSpan.FromMilliseconds(250) },
            Frequency,
            () => 0.5);

        Update(limit, 250, 40);
        Assert.Equal(41, limit.Value);
        Update(limit, 251, 41);
        Assert.Equal(20, limit.Value);
        Update(limit, 100, 20, dropped: true);
        Assert.Equal(10, limit.Value);
    }

    [Fact]
    public void Vegas_QueueByItsLength_GrowsFastSlowlyNotAtAllOrShrinks()
    {
        var limit = Create(LimitAlgorithm.Vegas);

        // The first tells the shortest time.
        Update(limit, 100, 20);
        Assert.Equal(20, limit.Value);

        // No queue: + 6 log10(20)
        Update(limit, 100, 20);
        var expected = 20 + (6 * Math.Log10(20));
        Assert.Equal(expected, limit.Value, 9);

        // 27.8 * (1 - 100 / 110) = 2.53, so a queue of 3: above L = 1.44, below 3L: + L
        Update(limit, 110, 27);
        expected += Math.Log10(expected);
        Assert.Equal(expected, limit.Value, 9);

        // 29.25 * (1 - 100 / 120) = 4.87, so 5: between 3L = 4.4 and 6L = 8.8: stays
        Update(limit, 120, 29);
        Assert.Equal(expected, limit.Value, 9);

        // 29.25 / 2 = 14.6, so 15: - L
        Update(limit, 200, 29);
        expected -= Math.Log10(expected);
        Assert.Equal(expected, limit.Value, 9);

        Update(limit, 0, 1, dropped: true);
        Assert.Equal(expected - Math.Log10(expected), limit.Value, 9);
    }

    [Theory]
    [InlineData(0.0, 300)]
    [InlineData(1.0, 600)]
    public void Vegas_ManyWindows_ForgetsTheShortestTime(double random, int windows)
    {
        // 30 * limit * rand(0.5..1), with a limit that stays at 20 because it is not used.
        var settings = LimitSettings.Of(LimitAlgorithm.Vegas, 20, 1, 1000);
        var limit = ConcurrencyLimit.Create(settings, Frequency, () => random);
        Update(limit, 100, 1);
        for (var i = 0; i < windows - 3; i++)
        {
            Update(limit, 400, 1);
        }

        // Four times the shortest time: a long queue.
        Update(limit, 400, 20);
        Assert.Equal(20 - Math.Log10(20), limit.Value, 9);

        // The last tells a new shortest time, and from there on 400 is none.
        Update(limit, 400, 20);
        var held = limit.Value;
        Update(limit, 400, 20);
        Assert.Equal(held + (6 * Math.Log10(held)), limit.Value, 9);
    }

    [Fact]
    public void Gradient2_ServiceSaturatedByAnOverload_LimitStaysNearWhatItCanServe()
    {
        const int Capacity = 50;
        var limit = Create(LimitAlgorithm.Gradient2, max: 1000);
        for (var i = 0; i < 10; i++)
        {
            Update(limit, 100, 10);
        }

        // All places are always taken; what is beyond the capacity waits on the other side.
        for (var i = 0; i < 120; i++)
        {
            var inFlight = (int)limit.Value;
            Update(limit, 100 * Math.Max(1, (double)inFlight / Capacity), inFlight);
        }

        Assert.InRange(limit.Value, Capacity, 2 * Capacity);
    }

    private static ConcurrencyLimit Create(LimitAlgorithm algorithm, int initial = 20, int? min = null, int max = 200) =>
        ConcurrencyLimit.Create(
            LimitSettings.Of(algorithm, initial, min ?? (algorithm == LimitAlgorithm.Vegas ? 1 : 20), max),
            Frequency,
            () => 0.5);

    private static void Update(ConcurrencyLimit limit, double latency, int inFlight, bool dropped = false) =>
        limit.Update(new LimitSample(latency, inFlight, dropped));
}
