using MeshClient.Core.Overload;

namespace MeshClient.Core.Tests.Overload;

public sealed class AdaptiveLimitTests
{
    private const long Frequency = 1_000_000;
    private const long Window = Frequency;
    private const long Millisecond = Frequency / 1000;

    [Fact]
    public void Completed_WithinAWindow_LimitStays()
    {
        var limit = Create(LimitAlgorithm.Aimd);
        for (var i = 0; i < 1000; i++)
        {
            Assert.False(limit.Completed(i, Millisecond, 20));
        }

        Assert.Equal(20, limit.Current);
        Assert.True(limit.Completed(Window, Millisecond, 20));
        Assert.Equal(21, limit.Current);
    }

    [Fact]
    public void Completed_FewCalls_WindowGoesOnUntilThereAreTen()
    {
        var limit = Create(LimitAlgorithm.Aimd);
        for (var i = 0; i < 9; i++)
        {
            Assert.False(limit.Completed(i * Window, Millisecond, 20));
        }

        Assert.True(limit.Completed(9 * Window, Millisecond, 20));
        Assert.Equal(21, limit.Current);
    }

    [Fact]
    public void Completed_InNextToNoTime_IsLeftOut()
    {
        var limit = Create(LimitAlgorithm.Aimd);
        for (var i = 0; i < 100; i++)
        {
            Assert.False(limit.Completed(i * Window, (Millisecond / 10) - 1, 20));
        }
    }

    [Fact]
    public void Window_OneCallRefused_CountsAsDropped()
    {
        var limit = Create(LimitAlgorithm.Aimd, initial: 100);
        limit.Refused(0, 100);
        Finish(limit, 0, Millisecond);

        Assert.Equal(90, limit.Current);
        Finish(limit, 2 * Window, Millisecond);
        Assert.Equal(91, limit.Current);
    }

    [Fact]
    public void Window_AllCallsRefused_StillLearns()
    {
        var limit = Create(LimitAlgorithm.Aimd, initial: 100);
        for (var i = 0; i < 10; i++)
        {
            limit.Refused(i * Window, 100);
        }

        Assert.Equal(90, limit.Current);
    }

    [Fact]
    public void GivenUp_SoonerThanOthersTake_SaysNothing()
    {
        // Gradient2's long latency is that of the first window; a quick one given up must not make the next look quick.
        var (kept, disturbed) = (Create(LimitAlgorithm.Gradient2), Create(LimitAlgorithm.Gradient2));
        foreach (var limit in (AdaptiveLimit[])[kept, disturbed])
        {
            Finish(limit, 0, 100 * Millisecond);
        }

        for (var window = 1; window < 200; window++)
        {
            var start = window * 2 * Window;
            kept.Completed(start, 400 * Millisecond, 200);
            disturbed.Completed(start, 400 * Millisecond, 200);
            for (var i = 0; i < 50; i++)
            {
                disturbed.GivenUp(start + 1, Millisecond, 200);
            }

            Finish(kept, start + 2, 400 * Millisecond);
            Finish(disturbed, start + 2, 400 * Millisecond);
            Assert.Equal(kept.Current, disturbed.Current);
        }
    }

    [Fact]
    public void TimedOut_LongerThanOthersTake_MakesTheWindowSlowAndDropped()
    {
        var vegas = Create(LimitAlgorithm.Vegas);
        Finish(vegas, 0, Millisecond);
        for (var i = 0; i < 10; i++)
        {
            vegas.TimedOut((2 + i) * Window, 5000 * Millisecond, 20);
        }

        Assert.Equal(18, vegas.Current);
    }

    [Theory]
    [InlineData(LimitAlgorithm.Gradient2)]
    [InlineData(LimitAlgorithm.Aimd)]
    [InlineData(LimitAlgorithm.Vegas)]
    public void Idle_ForADay_GoesOnWhereItWas(LimitAlgorithm algorithm)
    {
        var limit = Create(algorithm);
        for (var window = 0; window < 5; window++)
        {
            Finish(limit, window * 2 * Window, 100 * Millisecond);
        }

        var before = limit.Current;
        var tomorrow = 86_400 * Window;
        Assert.False(limit.Completed(tomorrow, 100 * Millisecond, 200));
        Assert.Equal(before, limit.Current);
        Finish(limit, tomorrow, 100 * Millisecond);
        // One window's step, as if no time had passed.
        Assert.InRange(limit.Current, before, before + 11);
    }

    [Fact]
    public async Task Completed_ManyThreads_KeepsTheBounds()
    {
        var limit = Create(LimitAlgorithm.Aimd);
        var now = 0L;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 50_000; i++)
            {
                limit.Completed(Interlocked.Add(ref now, Window / 20), Millisecond, 500);
                Assert.InRange(limit.Current, 1, 200);
            }
        })));

        Assert.Equal(200, limit.Current);
    }

    private static AdaptiveLimit Create(LimitAlgorithm algorithm, int initial = 20) =>
        new(LimitSettings.Of(algorithm, initial, 1, 200), Frequency, () => 0.5);

    private static void Finish(AdaptiveLimit limit, long start, long latency)
    {
        for (var i = 0; i < 10; i++)
        {
            limit.Completed(start, latency, 200);
        }

        limit.Completed(start + Window, latency, 200);
    }
}
