using FsCheck;
using FsCheck.Fluent;
using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class LatencyHistogramTests
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Quantile_AnyLatencies_IsTheExactOneOrAtMostAThirtySecondMore()
    {
        var latencies = Gen.Choose(0, 30_000_000).Or(Gen.Choose(0, 2000)).NonEmptyListOf();
        Prop.ForAll(Arb.From(latencies), Arb.From(Gen.Choose(1, 1000)), (microseconds, permille) =>
        {
            var histogram = new LatencyHistogram(Window, _time.TimestampFrequency);
            foreach (var one in microseconds)
            {
                Record(histogram, TimeSpan.FromMicroseconds(one));
            }

            // A microsecond is lost in the rounding of timestamps.
            var exact = microseconds.Order().ElementAt((int)Math.Ceiling(microseconds.Count * permille / 1000.0) - 1);
            var told = histogram.Quantile(permille / 1000.0, 1, _time.GetTimestamp())!.Value.TotalMicroseconds;
            return told >= exact - 1 && told <= exact + (exact / 32.0) + 1;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Theory]
    [InlineData(0.56, 25, 14)]
    [InlineData(0.07, 100, 7)]
    [InlineData(0.95, 100, 95)]
    [InlineData(0.951, 100, 96)]
    public void Quantile_ShareThatIsNoExactNumber_IsOfTheRightRank(double share, int calls, int rank)
    {
        var histogram = new LatencyHistogram(Window, _time.TimestampFrequency);
        for (var i = 1; i <= calls; i++)
        {
            Record(histogram, TimeSpan.FromMilliseconds(i));
        }

        // To a thirty-second more, which is less than the next for the first thirty-two.
        var told = histogram.Quantile(share, 1, _time.GetTimestamp())!.Value.TotalMilliseconds;
        Assert.InRange(told, rank - 0.01, rank * 33 / 32.0);
    }

    [Fact]
    public void Quantile_TooFewCalls_IsNotKnown()
    {
        var histogram = new LatencyHistogram(Window, _time.TimestampFrequency);
        Assert.Null(histogram.Quantile(0.5, 0, _time.GetTimestamp()));
        for (var i = 0; i < 19; i++)
        {
            Record(histogram, TimeSpan.FromMilliseconds(1));
        }

        Assert.Null(histogram.Quantile(0.5, 20, _time.GetTimestamp()));
        Record(histogram, TimeSpan.FromMilliseconds(1));
        Assert.NotNull(histogram.Quantile(0.5, 20, _time.GetTimestamp()));
    }

    [Theory]
    [InlineData(19.9, true)]
    [InlineData(30, false)]
    [InlineData(45, false)]
    [InlineData(30_000, false)]
    public void Quantile_CallsGrowOld_AreForgottenAfterThreeWindows(double seconds, bool isKnown)
    {
        var histogram = new LatencyHistogram(Window, _time.TimestampFrequency);
        Record(histogram, TimeSpan.FromMilliseconds(5));
        _time.Advance(TimeSpan.FromSeconds(seconds));
        Assert.Equal(isKnown, histogram.Quantile(0.5, 1, _time.GetTimestamp()) is not null);
    }

    [Fact]
    public void Quantile_LatenciesChange_FollowsThem()
    {
        var histogram = new LatencyHistogram(Window, _time.TimestampFrequency);
        for (var i = 0; i < 100; i++)
        {
            Record(histogram, TimeSpan.FromMilliseconds(5));
        }

        for (var second = 0; second < 30; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Record(histogram, TimeSpan.FromMilliseconds(80));
        }

        Assert.InRange(histogram.Quantile(0.5, 1, _time.GetTimestamp())!.Value.TotalMilliseconds, 80, 83);
    }

    [Fact]
    public async Task Record_ManyThreads_LosesNone()
    {
        var histogram = new LatencyHistogram(Window, _time.TimestampFrequency);
        await Task.WhenAll(Enumerable.Range(1, 8).Select(milliseconds => Task.Run(() =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                Record(histogram, TimeSpan.FromMilliseconds(milliseconds));
            }
        })));
        Assert.NotNull(histogram.Quantile(1, 80_000, _time.GetTimestamp()));
        Assert.Null(histogram.Quantile(1, 80_001, _time.GetTimestamp()));
        Assert.InRange(histogram.Quantile(0.5, 1, _time.GetTimestamp())!.Value.TotalMilliseconds, 4, 4.2);
    }

    private void Record(LatencyHistogram histogram, TimeSpan latency) =>
        histogram.Record((long)(latency.TotalSeconds * _time.TimestampFrequency), _time.GetTimestamp());
}
