using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;
using MeshClient.Discovery;
using MeshClient.Testing;

namespace MeshClient.Tests.Balancing;

public sealed class PeakEwmaTests
{
    private const double Decay = 10;
    private readonly FakeTimeProvider _time = new();
    private readonly long _second;

    public PeakEwmaTests() => _second = _time.TimestampFrequency;

    [Fact]
    public void Average_Untried_IsUnknownHoweverLongAgo()
    {
        var load = new PeakEwma(Decay * _second);
        Assert.True(load.Average(_time.GetTimestamp()) < 0);
        _time.Advance(TimeSpan.FromDays(30));
        Assert.True(load.Average(_time.GetTimestamp()) < 0);
    }

    [Fact]
    public void Forget_Known_IsUnknownUntilTheNextSample()
    {
        var load = Make(5);
        load.Forget();
        Assert.True(load.Average(_time.GetTimestamp()) < 0);
        load.Observe(0.5 * _second, _time.GetTimestamp());
        Assert.Equal(0.5, Seconds(load), 9);
    }

    [Fact]
    public void LevelAt_Slower_DecaysAsIfLessTimeHadPassed()
    {
        var load = Make(1);
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(
            Math.Log(_second) - 0.5 + (_time.GetTimestamp() / (Decay * _second)), load.LevelAt(_time.GetTimestamp(), slower: 4), 6);
    }

    [Fact]
    public void Observe_SampleAboveTheAverage_ReplacesItAtOnce()
    {
        var load = Make(0.030);
        load.Observe(2 * _second, _time.GetTimestamp());
        Assert.Equal(2, Seconds(load), 9);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(5)]
    [InlineData(10)]
    [InlineData(100)]
    public void Observe_SampleBelowTheAverage_MovesItByTheFormula(double elapsed)
    {
        var load = Make(1);
        _time.Advance(TimeSpan.FromSeconds(elapsed));
        var weight = Math.Exp(-elapsed / Decay);
        var sample = 0.9 * weight;
        load.Observe(sample * _second, _time.GetTimestamp());
        Assert.Equal((sample * (1 - weight)) + (1 * weight), Seconds(load), 6);
    }

    [Fact]
    public void Observe_AboveWhatIsLeftAfterTheDecay_IsAPeak()
    {
        var load = Make(1);
        _time.Advance(TimeSpan.FromSeconds(10));
        load.Observe(0.5 * _second, _time.GetTimestamp());
        Assert.Equal(0.5, Seconds(load), 9);
    }

    [Theory]
    [InlineData(0.001)]
    [InlineData(0.05)]
    [InlineData(0.099)]
    [InlineData(0.101)]
    [InlineData(3)]
    [InlineData(60)]
    public void Average_Idle_DriftsToZeroByTheFormula(double elapsed)
    {
        var load = Make(1);
        _time.Advance(TimeSpan.FromSeconds(elapsed));
        Assert.Equal(Math.Exp(-elapsed / Decay), Seconds(load), 1e-4);
    }

    [Fact]
    public void Average_LookedAtOften_IsTheSameAsLookedAtOnce()
    {
        var watched = Make(1);
        var left = Make(1);
        for (var i = 0; i < 1000; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(7));
            Seconds(watched);
        }

        Assert.Equal(Seconds(left), Seconds(watched), 12);
    }

    [Fact]
    public void Compare_CallsInFlight_MultiplyTheLatencyPerWeight()
    {
        var (a, b) = (Instance(0.030), Instance(0.050));
        Assert.True(IsAsGood(a, b));
        a.Load.Begin();
        Assert.False(IsAsGood(a, b));
        b.Load.Begin();
        Assert.True(IsAsGood(a, b));
        Assert.False(IsAsGood(a, b, aPerWeight: 3));
        a.Load.End();
        Assert.Equal((0, 1), (a.Load.InFlight, b.Load.InFlight));
    }

    [Fact]
    public void Compare_OneIsUnknown_ItWinsTheTossAndElseTheCallsInFlightCount()
    {
        var (known, unknown) = (Instance(5), new InstanceVitals(Decay * _second));
        Assert.True(IsAsGood(unknown, known));
        Assert.False(IsAsGood(known, unknown));
        unknown.Load.Begin();
        Assert.True(IsAsGood(known, unknown));
        Assert.False(IsAsGood(unknown, known));
        var other = new InstanceVitals(Decay * _second);
        Assert.True(IsAsGood(other, unknown));
        Assert.False(IsAsGood(unknown, other));
    }

    [Fact]
    public void Compare_AnyTwo_IsByLatencyNowTimesCallsAndTheNext()
    {
        var seen = from milliseconds in Gen.Choose(1, 5000)
                   from age in Gen.Choose(0, 60)
                   from calls in Gen.Choose(0, 100)
                   from weight in Gen.Choose(10, 50)
                   select new Seen(milliseconds, age, calls, weight / 10.0);
        _time.Advance(TimeSpan.FromDays(100));
        Prop.ForAll(Arb.From(seen), Arb.From(seen), (a, b) =>
        {
            var now = _time.GetTimestamp();
            var (first, second) = (Make(a), Make(b));
            return IsInOrder(LatencyCost.Compare(first, second, now), Cost(a with { PerWeight = 1 }), Cost(b with { PerWeight = 1 }))
                && IsInOrder(LatencyCost.Compare(first, a.PerWeight, second, b.PerWeight, now), Cost(a), Cost(b));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

        InstanceVitals Make(Seen seen)
        {
            var instance = new InstanceVitals(Decay * _second);
            instance.Load.Observe(seen.Milliseconds * _second / 1000.0, _time.GetTimestamp() - (seen.AgeSeconds * _second));
            for (var i = 0; i < seen.Calls; i++)
            {
                instance.Load.Begin();
            }

            return instance;
        }

        static double Cost(Seen seen) =>
            seen.Milliseconds * Math.Exp(-seen.AgeSeconds / Decay / seen.PerWeight) * ((seen.Calls * seen.PerWeight) + 1);

        static bool IsInOrder(long comparison, double a, double b) => Math.Abs(a - b) < 1e-6 * a || (comparison < 0) == (b < a);
    }

    [Fact]
    public void Penalise_UntilItsEnd_CountsAndThenNothingIsKnown()
    {
        var (instance, other) = (Instance(0.001), Instance(0.001));
        ref var load = ref instance.Load;
        load.Penalise(5 * _second, _time.GetTimestamp(), _time.GetTimestamp() + (30 * _second));
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(5 * Math.Exp(-2.9), Seconds(load), 3);
        load.Observe(0.001 * _second, _time.GetTimestamp());
        Assert.InRange(Seconds(load), 0.1, 5);
        other.Load.Begin();
        Assert.False(IsAsGood(instance, other));
        // To the tenth of a second: so coarse the end is kept with this clock.
        _time.Advance(TimeSpan.FromSeconds(1.2));
        Assert.True(Seconds(load) < 0);
        Assert.True(IsAsGood(instance, other));
        Assert.True(IsAsGood(instance, other, aPerWeight: 2));
        load.Observe(0.002 * _second, _time.GetTimestamp());
        Assert.Equal(0.002, Seconds(load), 9);
    }

    [Fact]
    public void Penalise_AgainForLess_LastsAsLongAsTheFirst()
    {
        var load = Make(0.001);
        load.Penalise(300 * _second, _time.GetTimestamp(), _time.GetTimestamp() + (300 * _second));
        _time.Advance(TimeSpan.FromSeconds(1));
        load.Penalise(5 * _second, _time.GetTimestamp(), _time.GetTimestamp() + (30 * _second));
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(300 * Math.Exp(-6.1), Seconds(load), 2);
    }

    [Fact]
    public void Penalise_Again_LastsFromThen()
    {
        var load = Make(0.001);
        load.Penalise(5 * _second, _time.GetTimestamp(), _time.GetTimestamp() + (30 * _second));
        _time.Advance(TimeSpan.FromSeconds(20));
        load.Penalise(5 * _second, _time.GetTimestamp(), _time.GetTimestamp() + (30 * _second));
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.True(Seconds(load) > 0.1);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(Seconds(load) < 0);
    }

    [Fact]
    public void Average_ClockOfAnEarlierMoment_DoesNotGrowTheAverage()
    {
        var load = Make(1);
        Assert.Equal(1, load.Average(_time.GetTimestamp() - (5 * _second)) / _second, 9);
    }

    [Fact]
    public async Task InFlight_ManyThreads_LosesNone()
    {
        var load = Make(0.030);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 50_000; i++)
            {
                load.Begin();
                load.Observe(i % 100, _time.GetTimestamp());
                load.End();
            }
        })));
        Assert.Equal(0, load.InFlight);
        Assert.True(double.IsFinite(Seconds(load)) && Seconds(load) >= 0);
    }

    private bool IsAsGood(InstanceVitals a, InstanceVitals b, double aPerWeight = 1) =>
        (aPerWeight == 1 ? LatencyCost.Compare(a, b, _time.GetTimestamp()) : LatencyCost.Compare(a, aPerWeight, b, 1, _time.GetTimestamp())) >= 0;

    private double Seconds(PeakEwma load) => load.Average(_time.GetTimestamp()) / _second;

    private PeakEwma Make(double seconds)
    {
        var load = new PeakEwma(Decay * _second);
        load.Observe(seconds * _second, _time.GetTimestamp());
        return load;
    }

    private InstanceVitals Instance(double seconds)
    {
        var instance = new InstanceVitals(Decay * _second);
        instance.Load.Observe(seconds * _second, _time.GetTimestamp());
        return instance;
    }

    private readonly record struct Seen(int Milliseconds, int AgeSeconds, int Calls, double PerWeight);
}
