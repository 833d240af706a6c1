using FsCheck;
using FsCheck.Fluent;
using MeshClient.Configuration;
using MeshClient.Overload;
using MeshClient.Testing;

namespace MeshClient.Tests.Overload;

public sealed class TokenBucketTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(10, 3)]
    [InlineData(1000, 1000)]
    public void TryTake_AfterALongPause_IsTheBurstAndNoMore(double perSecond, int burst)
    {
        using var bucket = new TokenBucket(new RateSettings(perSecond, burst), _time);
        Assert.Equal(burst, Drain(bucket));
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            Assert.Equal(burst, Drain(bucket));
        }
    }

    [Theory]
    [InlineData(0.001)]
    [InlineData(0.3)]
    [InlineData(7)]
    [InlineData(3333)]
    [InlineData(1_000_000)]
    public void TryTake_TimeItTold_IsWhenThereIsOneAndNoEarlier(double perSecond)
    {
        using var bucket = new TokenBucket(new RateSettings(perSecond, 1), _time);
        Assert.True(bucket.TryTake(out var none));
        Assert.Equal(TimeSpan.Zero, none);
        for (var i = 0; i < 100; i++)
        {
            Assert.False(bucket.TryTake(out var whole));
            Assert.Equal(1 / perSecond, whole.TotalSeconds, 6);

            // Told what is left, not a whole period.
            var most = TimeSpan.FromTicks(whole.Ticks * 9 / 10);
            _time.Advance(most);
            Assert.False(bucket.TryTake(out var rest));
            Assert.InRange(rest, TimeSpan.FromTicks(1), whole - most + TimeSpan.FromTicks(1));
            _time.Advance(rest);
            Assert.True(bucket.TryTake(out _));
        }
    }

    [Fact]
    public void TryTake_AsOfAMomentBeforeTheLast_GivesNothingTwice()
    {
        using var bucket = new TokenBucket(new RateSettings(10, 1), _time);
        var before = _time.GetTimestamp();
        Assert.True(bucket.TryTake(out _));
        _time.Advance(TimeSpan.FromMilliseconds(100));
        var then = _time.GetTimestamp();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(bucket.TryTake(before, out var retryAfter));
        Assert.Equal(TimeSpan.FromMilliseconds(100), retryAfter);
        // Another was quicker, and took what had come by now.
        Assert.True(bucket.TryTake(out _));
        Assert.False(bucket.TryTake(then, out retryAfter));
        Assert.Equal(TimeSpan.FromMilliseconds(100), retryAfter);
    }

    [Fact]
    public void TryTake_AskedAllTheTime_GivesTheRate()
    {
        using var bucket = new TokenBucket(new RateSettings(250, 10), _time);
        Drain(bucket);
        var taken = 0;
        for (var i = 0; i < 60_000; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            taken += bucket.TryTake(out _) ? 1 : 0;
        }

        Assert.InRange(taken, (60 * 250) - 1, 60 * 250);
    }

    [Fact]
    public void AnyHistory_NeverMoreThanBurstAndRateAndNothingRefusedThatIsThere()
    {
        var step = from wishes in Gen.Choose(0, 30) from pause in Gen.Frequency((8, Gen.Choose(0, 400)), (1, Gen.Choose(0, 1_000_000))) select (wishes, pause);
        var history = from tenths in Gen.Choose(1, 2000) from burst in Gen.Choose(1, 50) from steps in step.ListOf(200) select (Rate: tenths / 10.0, burst, steps);
        Prop.ForAll(Arb.From(history), one =>
        {
            var time = new FakeTimeProvider();
            using var bucket = new TokenBucket(new RateSettings(one.Rate, one.burst), time);
            // In ten-thousandths of a token, so that a rate in tenths gives whole ones each millisecond.
            var tokens = (long)one.burst * 10_000;
            var perMillisecond = (long)Math.Round(one.Rate * 10);
            foreach (var (wishes, pause) in one.steps)
            {
                time.Advance(TimeSpan.FromMilliseconds(pause));
                tokens = Math.Min(one.burst * 10_000L, tokens + (pause * perMillisecond));
                Assert.Equal(tokens / 10_000, bucket.GetStatistics().CurrentAvailablePermits);
                for (var i = 0; i < wishes; i++)
                {
                    Assert.Equal(tokens >= 10_000, bucket.TryTake(out _));
                    tokens -= tokens >= 10_000 ? 10_000 : 0;
                }
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));
    }

    [Fact]
    public async Task TryTake_ManyThreads_NeverMoreThanThereIs()
    {
        using var bucket = new TokenBucket(new RateSettings(1, 5000), _time);
        _time.Advance(TimeSpan.FromHours(3));
        var taken = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Drain(bucket))));
        Assert.Equal(5000, taken.Sum());
    }

    [Fact]
    public void GetStatistics_SomeTakenAndSomeRefused_TellsHowMany()
    {
        using var bucket = new TokenBucket(new RateSettings(1, 3), _time);
        Assert.Equal(3, Drain(bucket));
        Assert.False(bucket.TryTake(out _));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(bucket.TryTake(out _));

        var told = bucket.GetStatistics();

        Assert.Equal((1, 4, 2), (told.CurrentAvailablePermits, told.TotalSuccessfulLeases, told.TotalFailedLeases));
    }

    private static int Drain(TokenBucket bucket)
    {
        var taken = 0;
        while (taken < 100_000 && bucket.TryTake(out _))
        {
            taken++;
        }

        return taken;
    }
}
