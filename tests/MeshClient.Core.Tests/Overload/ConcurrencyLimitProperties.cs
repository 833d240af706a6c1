using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core.Overload;

namespace MeshClient.Core.Tests.Overload;

/// <summary>Random histories of every algorithm.</summary>
public sealed class ConcurrencyLimitProperties
{
    private static readonly Gen<LimitSample> Sample =
        from latency in Gen.Frequency((1, Gen.Constant(0)), (9, Gen.Choose(1, 20_000)))
        from inFlight in Gen.Choose(0, 1200)
        from dropped in Gen.Frequency((4, Gen.Constant(false)), (1, Gen.Constant(true)))
        select new LimitSample(latency, inFlight, dropped);

    private static readonly Gen<AdaptiveLimitSettings> Settings =
        from algorithm in Gen.Elements(LimitAlgorithm.Gradient2, LimitAlgorithm.Aimd, LimitAlgorithm.Vegas)
        from min in Gen.Choose(1, 50)
        from initial in Gen.Choose(0, 100)
        from more in Gen.Choose(0, 900)
        from tolerance in Gen.Elements(1.2, 1.5, 3)
        from ratio in Gen.Elements(0.5, 0.9, 0.99)
        from limit in Gen.Choose(10, 10_000)
        select LimitSettings.Of(algorithm, min + initial, min, min + initial + more) with
        {
            LatencyTolerance = tolerance,
            BackoffRatio = ratio,
            LatencyLimit = TimeSpan.FromMilliseconds(limit),
        };

    [Fact]
    public void AnyHistory_KeepsItsBoundsAndReasons()
    {
        var history = from settings in Settings
                      from samples in Sample.ListOf(200)
                      from seed in Gen.Choose(0, int.MaxValue)
                      select (settings, samples: samples.ToArray(), seed);
        Prop.ForAll(Arb.From(history), one =>
        {
            var random = new Random(one.seed);
            var limit = ConcurrencyLimit.Create(one.settings, 1000, random.NextDouble);
            Assert.Equal(one.settings.Initial, limit.Value);
            foreach (var sample in one.samples)
            {
                var before = limit.Value;
                limit.Update(sample);
                Check(one.settings, sample, before, limit.Value);
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void AnyHistory_ThenGoodDaysFullyUsed_ReachesTheGreatestLimit()
    {
        var history = from settings in Settings
                      from samples in Sample.ListOf(100)
                      select (settings, samples: samples.ToArray());
        Prop.ForAll(Arb.From(history), one =>
        {
            var limit = ConcurrencyLimit.Create(one.settings, 1000, () => 0.5);
            foreach (var sample in one.samples)
            {
                limit.Update(sample);
            }

            // However bad it was, no limit stays down for ever. The lower Vegas is held, the sooner it looks afresh, and
            // Gradient2 forgets in hundreds of windows.
            for (var i = 0; i < 3000 && limit.Value < one.settings.Max; i++)
            {
                limit.Update(new LimitSample(10, (int)limit.Value, false));
            }

            Assert.Equal(one.settings.Max, limit.Value);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(100));
    }

    /// <summary>
    /// The limit in a loop with what it limits: a service that serves so many at a time, the rest waits, and callers who want so
    /// many at a time. Capacity, time and demand jump now and then, by up to a hundredfold.
    /// </summary>
    [Fact]
    public void AnyService_InALoopWithIt_NeverStaysAtTheLeastNorGrowsUnused()
    {
        var episode = from capacity in Gen.Choose(1, 300)
                      from time in Gen.Choose(1, 100)
                      from demand in Gen.Frequency((1, Gen.Constant(1)), (1, Gen.Constant(0)), (4, Gen.Choose(1, 500)))
                      select (capacity, time, demand);
        var history = from algorithm in Gen.Elements(LimitAlgorithm.Gradient2, LimitAlgorithm.Aimd, LimitAlgorithm.Vegas)
                      from episodes in episode.NonEmptyListOf()
                      from last in Gen.Choose(1, 100)
                      from seed in Gen.Choose(0, int.MaxValue)
                      select (algorithm, episodes: episodes.Take(8).ToArray(), last, seed);
        Prop.ForAll(Arb.From(history), one =>
        {
            var random = new Random(one.seed);
            var limit = ConcurrencyLimit.Create(
                LimitSettings.Of(one.algorithm, 20, 1, 1000), 1000, random.NextDouble);
            foreach (var (capacity, time, demand) in one.episodes)
            {
                for (var window = 0; window < 60 && demand > 0; window++)
                {
                    var (before, inFlight) = (limit.Value, Math.Min(demand, (int)limit.Value));
                    limit.Update(new LimitSample(time * Math.Max(1, (double)inFlight / capacity), inFlight, false));
                    Assert.InRange(limit.Value, 1, 1000);
                    Assert.True(limit.Value <= Math.Max(before, (2 * demand) + 18), $"{before} -> {limit.Value} for {demand} callers");
                }
            }

            // Whatever has been learned: where a service of ample room is used to the full, it is not held down for long. Vegas forgets
            // after at most 30 windows for each call of its limit, so above 66 it may stay in this time.
            var enough = one.algorithm == LimitAlgorithm.Vegas ? 66 : 200;
            for (var window = 0; window < 2000 && limit.Value < enough; window++)
            {
                limit.Update(new LimitSample(one.last, (int)limit.Value, false));
            }

            Assert.True(limit.Value >= enough, $"{one.algorithm}: {limit.Value}");
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Theory]
    [InlineData(LimitAlgorithm.Gradient2, 300)]
    [InlineData(LimitAlgorithm.Aimd, 1)]
    [InlineData(LimitAlgorithm.Vegas, 400)]
    public void Latency_JumpsTenfoldForGood_LimitFallsAndComesBack(LimitAlgorithm algorithm, int windows)
    {
        var limit = ConcurrencyLimit.Create(LimitSettings.Of(algorithm, 20, 1, 200), 1000, () => 0.5);
        for (var window = 0; window < 30; window++)
        {
            limit.Update(new LimitSample(10, (int)limit.Value, false));
        }

        var (before, least, took) = (limit.Value, limit.Value, 0);
        do
        {
            limit.Update(new LimitSample(100, (int)limit.Value, false));
            least = Math.Min(least, limit.Value);
            took++;
        }
        while (limit.Value < before && took < 2000);

        Assert.True(took <= windows, $"{took} windows");
        // What fails by time alone does not see it below 5 s; the others give way.
        Assert.True(algorithm == LimitAlgorithm.Aimd ? least == before : least < before / 2, $"{before} -> {least}");
    }

    [Theory]
    [InlineData(LimitAlgorithm.Gradient2)]
    [InlineData(LimitAlgorithm.Aimd)]
    [InlineData(LimitAlgorithm.Vegas)]
    public void OneCaller_WhateverItSees_LimitNeitherGrowsNorShutsItOut(LimitAlgorithm algorithm)
    {
        var random = new Random(3);
        var limit = ConcurrencyLimit.Create(LimitSettings.Of(algorithm, 20, 1, 1000), 1000, random.NextDouble);
        for (var window = 0; window < 5000; window++)
        {
            limit.Update(new LimitSample(1 + random.Next(1000), 1, HasDropped: window > 1000 && random.Next(50) == 0));
            Assert.InRange(limit.Value, 1, 20);
        }
    }

    private static void Check(AdaptiveLimitSettings settings, LimitSample sample, double before, double after)
    {
        Assert.InRange(after, settings.Min, settings.Max);
        if (sample.HasDropped && settings.Algorithm != LimitAlgorithm.Gradient2)
        {
            Assert.True(after < before || after == settings.Min || sample.Latency > 0, "a drop never leaves the limit as it is");
            Assert.True(after <= before, "a drop never raises the limit");
        }

        if (!sample.HasDropped && sample.InFlight * 2 < before)
        {
            Assert.True(after <= before, "what was not used does not grow");
        }

        // One window never moves it by much: no more than a tenth, or the ratio set, and a step down, no more than the algorithm's step up.
        var step = settings.Algorithm switch
        {
            LimitAlgorithm.Gradient2 => 0.8,
            LimitAlgorithm.Aimd => 1,
            _ => 6 * Math.Max(1, Math.Log10(before)),
        };
        Assert.True(after <= before + step + 1e-9, $"{before} -> {after}");
        var kept = settings.Algorithm == LimitAlgorithm.Aimd ? settings.BackoffRatio : 0.9;
        Assert.True(after >= (before * kept) - Math.Max(1, Math.Log10(before)) - 1e-9, $"{before} -> {after}");
    }
}
