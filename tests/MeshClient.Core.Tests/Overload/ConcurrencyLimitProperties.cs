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
        select new AdaptiveLimitSettings(algorithm, min + initial, min, min + initial + more, TimeSpan.FromSeconds(1));

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

        // One window never moves it by much: no more than a tenth and a step down, no more than the algorithm's step up.
        var step = settings.Algorithm switch
        {
            LimitAlgorithm.Gradient2 => 0.8,
            LimitAlgorithm.Aimd => 1,
            _ => 6 * Math.Max(1, Math.Log10(before)),
        };
        Assert.True(after <= before + step + 1e-9, $"{before} -> {after}");
        Assert.True(after >= (before * 0.9) - Math.Max(1, Math.Log10(before)) - 1e-9, $"{before} -> {after}");
    }
}
