using FsCheck;
using FsCheck.Fluent;
using MeshClient.Configuration;
using MeshClient.Resilience;

namespace MeshClient.Tests.Resilience;

public sealed class RetryBackoffTests
{
    [Theory]
    [InlineData(0, 25)]
    [InlineData(1, 50)]
    [InlineData(2, 100)]
    [InlineData(3, 200)]
    [InlineData(4, 250)]
    [InlineData(1000, 250)]
    public void Of_EachRetry_IsAnywhereUpToTheDoubledBaseAndTheCap(int retry, double bound)
    {
        Assert.All(
            (double[])[0, 0.25, 0.5, 0.999],
            random => Assert.Equal(bound * random, Of(retry, TimeSpan.Zero, null, random).TotalMilliseconds, 1e-3));
    }

    [Theory]
    [InlineData(1, 10, 1024)]
    [InlineData(1, 19, 524_288)]
    [InlineData(1, 20, 600_000)]
    [InlineData(0.001, 29, 536_870.912)]
    [InlineData(0.001, 30, 600_000)]
    [InlineData(0.001, int.MaxValue, 600_000)]
    [InlineData(0, int.MaxValue, 0)]
    public void Of_SmallBaseAndHighCap_DoublesUpToTheCap(double milliseconds, int retry, double bound)
    {
        var delay = RetryBackoff.Of(
            retry, TimeSpan.FromMicroseconds(milliseconds * 1000), TimeSpan.FromMinutes(10), pause: TimeSpan.Zero, left: null, random: 0.5);
        Assert.Equal(bound / 2, delay.TotalMilliseconds, 1e-3);
    }

    [Fact]
    public void Of_AnythingLeft_WaitsForThePauseAndNeverBeyondTheDeadline()
    {
        var gen = from retry in Gen.Choose(0, 40)
                  from pause in Gen.Choose(0, 20_000)
                  from more in Gen.Choose(1, 20_000)
                  from random in Gen.Choose(0, 999)
                  select (retry, pause, more, random);
        Prop.ForAll(Arb.From(gen), one =>
        {
            var (pause, left) = (TimeSpan.FromMilliseconds(one.pause), TimeSpan.FromMilliseconds(one.pause + one.more));
            Assert.InRange(Of(one.retry, pause, left, one.random / 1000.0), pause, left);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    private static TimeSpan Of(int retry, TimeSpan pause, TimeSpan? left, double random) =>
        RetryBackoff.Of(retry, MeshDefaults.RetryBaseDelay, MeshDefaults.RetryMaxDelay, pause, left, random);
}
