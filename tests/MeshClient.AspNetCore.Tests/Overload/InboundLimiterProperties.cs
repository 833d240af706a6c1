using FsCheck;
using FsCheck.Fluent;
using MeshClient.AspNetCore.Overload;

namespace MeshClient.AspNetCore.Tests.Overload;

/// <summary>Random histories of a limit with shares.</summary>
public sealed class InboundLimiterProperties
{
    private static readonly int[] Percents = [50, 30, 5];

    [Fact]
    public void AnyHistory_LimitAndSharesAreKept()
    {
        var step = from kind in Gen.Choose(0, 9)
                   from share in Gen.Choose(0, Percents.Length - 1)
                   from limit in Gen.Choose(1, 40)
                   select (kind, share, limit);
        Prop.ForAll(Arb.From(step.ListOf(400)), steps =>
        {
            var shares = Percents.Select((percent, i) => new Share($"{i}", percent)).ToArray();
            var (limiter, limit) = (new InboundLimiter(20), 20);
            var inFlight = new int[Percents.Length];
            foreach (var (kind, which, newLimit) in steps)
            {
                var total = inFlight.Sum();
                var own = (int)Math.Ceiling(limit * Percents[which] / 100.0);
                switch (kind)
                {
                    case 9:
                        limiter.Limit = limit = newLimit;
                        break;
                    case <= 5:
                        // Refused only when the limit is reached, and the own share is too.
                        var entered = limiter.TryEnter(shares[which]);
                        Assert.Equal(total < limit || inFlight[which] < own, entered);
                        inFlight[which] += entered ? 1 : 0;
                        break;
                    case <= 8 when inFlight[which] > 0:
                        Assert.Equal(total, limiter.Leave(shares[which]));
                        inFlight[which]--;
                        break;
                }

                Assert.Equal(inFlight.Sum(), limiter.InFlight);
                Assert.Equal(inFlight, shares.Select(share => share.InFlight));
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public async Task ManyThreads_OneCallerWantsAll_TheOthersAlwaysGetTheirShare()
    {
        var limiter = new InboundLimiter(10);
        var (greedy, modest) = (new Share("greedy", 50), new Share("modest", 50));
        var (refused, most) = (0, 0);
        using var done = new CancellationTokenSource();
        for (var i = 0; i < 10; i++)
        {
            Assert.True(limiter.TryEnter(greedy));
        }

        // These want more than all there is.
        var greed = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                if (limiter.TryEnter(greedy))
                {
                    await Task.Yield();
                    limiter.Leave(greedy);
                }
            }
        })).ToList();
        for (var i = 0; i < 20_000; i++)
        {
            refused += limiter.TryEnter(modest) ? 0 : 1;
            most = Math.Max(most, limiter.InFlight);
            limiter.Leave(modest);
        }

        await done.CancelAsync();
        await Task.WhenAll(greed);
        Assert.Equal(0, refused);
        Assert.InRange(most, 1, 20);
        Assert.Equal((10, 0), (greedy.InFlight, modest.InFlight));
    }
}
