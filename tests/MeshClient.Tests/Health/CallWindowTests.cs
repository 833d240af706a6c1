using FsCheck;
using FsCheck.Fluent;
using MeshClient.Health;

namespace MeshClient.Tests.Health;

public sealed class CallWindowTests
{
    private const double Window = 30_000;

    [Fact]
    public void Read_EvenCalls_SameWhetherReadOftenOrOnce()
    {
        var (often, once) = (default(CallWindow), default(CallWindow));
        often.Clear(0);
        once.Clear(0);
        CallCounts counts = default;
        for (var i = 1; i <= 6000; i++)
        {
            for (var k = 0; k < 9; k++)
            {
                often.Succeeded();
                once.Succeeded();
            }

            often.Failed();
            once.Failed();
            if (i % 10 == 0)
            {
                counts = often.Read(i * 10, Window);
            }
        }

        var other = once.Read(60_000, Window);
        Assert.Equal(0.9, counts.SuccessRate, 6);
        Assert.Equal(0.9, other.SuccessRate, 6);
        // One call a tick: as many as the window is long, less what of it has not passed yet.
        Assert.Equal(Window * (1 - Math.Exp(-2)), counts.Calls, 100.0);
        Assert.Equal(counts.Calls, other.Calls, 100.0);
    }

    [Fact]
    public void Read_TimePasses_OldCallsWeighLess()
    {
        var window = default(CallWindow);
        window.Clear(0);
        for (var i = 0; i < 100; i++)
        {
            window.Failed();
        }

        window.Read(0, Window);
        for (var i = 0; i < 100; i++)
        {
            window.Succeeded();
        }

        Assert.Equal(0.5, window.Read(0, Window).SuccessRate, 6);
        for (var i = 0; i < 100; i++)
        {
            window.Succeeded();
        }

        // e^-1 of the 100 failures and 100 successes before; the 100 new ones spread over the same time.
        var counts = window.Read(30_000, Window);
        Assert.Equal(100 * Math.Exp(-1), counts.Failures, 6);
        Assert.Equal((100 * Math.Exp(-1)) + (100 * (1 - Math.Exp(-1))), counts.Successes, 6);
    }

    [Fact]
    public void Read_AnyHistory_NeverMoreCallsThanThereWereAndARateBetweenZeroAndOne()
    {
        var step = from successes in Gen.Choose(0, 50)
                   from failures in Gen.Choose(0, 50)
                   from pause in Gen.Choose(-100, 100_000)
                   select (successes, failures, pause);
        Prop.ForAll(Arb.From(step.ListOf()), history =>
        {
            var window = default(CallWindow);
            window.Clear(0);
            var (now, total) = (0L, 0);
            foreach (var (successes, failures, pause) in history)
            {
                for (var i = 0; i < successes; i++)
                {
                    window.Succeeded();
                }

                for (var i = 0; i < failures; i++)
                {
                    window.Failed();
                }

                total += successes + failures;
                now += pause;
                var counts = window.Read(now, Window);
                Assert.InRange(counts.Calls, 0, total + 1e-6);
                Assert.InRange(counts.SuccessRate, 0, 1);
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Read_ManyLongPauses_StaysFinite()
    {
        var window = default(CallWindow);
        window.Clear(long.MaxValue / 4);
        window.Failed();
        var counts = window.Read((long.MaxValue / 4) + 1_000_000_000_000, Window);
        Assert.InRange(counts.Calls, 0, 1);
        Assert.InRange(counts.SuccessRate, 0, 1);
    }

    [Fact]
    public async Task Succeeded_ManyThreads_LosesNone()
    {
        var holder = new Holder();
        holder.Window.Clear(0);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 50_000; i++)
            {
                holder.Window.Succeeded();
            }
        })));
        Assert.Equal(200_000, holder.Window.Read(0, Window).Successes);
    }

    private sealed class Holder
    {
        public CallWindow Window;
    }
}
