using MeshClient.Balancing;
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
    public void Average_Slower_DecaysAsIfLessTimeHadPassed()
    {
        var load = Make(1);
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(Math.Exp(-0.5), load.Average(_time.GetTimestamp(), slower: 4) / _second, 9);
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
        var (a, b) = (Make(0.030), Make(0.050));
        Assert.True(IsAsGood(a, b));
        a.Begin();
        Assert.False(IsAsGood(a, b));
        b.Begin();
        Assert.True(IsAsGood(a, b));
        Assert.False(IsAsGood(a, b, aPerWeight: 3));
        a.End();
        Assert.Equal((0, 1), (a.InFlight, b.InFlight));
    }

    [Fact]
    public void Compare_OneIsUnknown_ItWinsTheTossAndElseTheCallsInFlightCount()
    {
        var (known, unknown) = (Make(5), new PeakEwma(Decay * _second));
        Assert.True(IsAsGood(unknown, known));
        Assert.False(IsAsGood(known, unknown));
        unknown.Begin();
        Assert.True(IsAsGood(known, unknown));
        Assert.False(IsAsGood(unknown, known));
        var other = new PeakEwma(Decay * _second);
        Assert.True(IsAsGood(other, unknown));
        Assert.False(IsAsGood(unknown, other));
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

    private bool IsAsGood(PeakEwma a, PeakEwma b, double aPerWeight = 1) =>
        LatencyCost.Compare(a, aPerWeight, b, 1, _time.GetTimestamp()) >= 0;

    private double Seconds(PeakEwma load) => load.Average(_time.GetTimestamp()) / _second;

    private PeakEwma Make(double seconds)
    {
        var load = new PeakEwma(Decay * _second);
        load.Observe(seconds * _second, _time.GetTimestamp());
        return load;
    }
}
