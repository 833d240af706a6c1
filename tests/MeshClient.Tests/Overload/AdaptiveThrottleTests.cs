using FsCheck;
using FsCheck.Fluent;
using MeshClient.Configuration;
using MeshClient.Overload;

namespace MeshClient.Tests.Overload;

public sealed class AdaptiveThrottleTests
{
    private const long Second = 1000;
    private const long Window = 120 * Second;

    [Theory]
    [InlineData(100, 0, 100.0 / 101)]
    [InlineData(100, 40, 20.0 / 101)]
    [InlineData(100, 50, 0)]
    [InlineData(100, 100, 0)]
    public void Probability_OfRequestsAndAccepts_IsGooglesFormula(int requests, int accepts, double expected)
    {
        var throttle = new AdaptiveThrottle(2, Window, 1);
        for (var i = 0; i < requests; i++)
        {
            if (i < accepts)
            {
                throttle.Accepted(Window);
            }
            else
            {
                throttle.Refused(Window);
            }
        }

        Assert.Equal(expected, throttle.Probability(Window), 12);
    }

    [Fact]
    public void IsRefused_ServiceTakesAHundredASecondOfThousand_SendsAboutTwoHundred()
    {
        var throttle = new AdaptiveThrottle(2, Window, 1);
        var random = new MeshRandom(5);
        var sent = 0;
        for (var second = 1; second <= 600; second++)
        {
            var taken = 0;
            for (var i = 0; i < 1000; i++)
            {
                var now = (second * Second) + i;
                if (throttle.IsRefused(now, random))
                {
                    continue;
                }

                sent += second > 300 ? 1 : 0;
                if (taken++ < 100)
                {
                    throttle.Accepted(now);
                }
                else
                {
                    throttle.Refused(now);
                }
            }
        }

        Assert.InRange(sent / 300.0, 190, 210);
    }

    [Fact]
    public void Probability_NothingCounted_IsZero()
    {
        var throttle = new AdaptiveThrottle(2, Window, 1);
        Assert.Equal(0, throttle.Probability(0));
        Assert.False(throttle.IsRefused(Window, new MeshRandom(1)));
        Assert.Equal(0, throttle.Probability(Window));
    }

    [Fact]
    public void Probability_OnlyRefusals_GrowsToTheBoundAndNoFurther()
    {
        var throttle = new AdaptiveThrottle(2, Window, 0.8);
        for (var i = 1; i <= 1000; i++)
        {
            throttle.Refused(Window);
            Assert.Equal(Math.Min(0.8, i / (i + 1.0)), throttle.Probability(Window), 12);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(400)]
    public void IsRefused_ServiceIsWellAgainAfterItRefusedAll_NearlyAllAreSentWithinTwoWindows(int perSecond)
    {
        var throttle = new AdaptiveThrottle(MeshDefaults.ThrottlingMultiplier, Window, MeshDefaults.ThrottlingMaxProbability);
        var random = new MeshRandom(11);
        var sent = 0;
        for (var second = 1; second <= 600; second++)
        {
            for (var i = 0; i < perSecond; i++)
            {
                var now = (second * Second) + (i * Second / perSecond);
                if (throttle.IsRefused(now, random))
                {
                    continue;
                }

                if (second <= 300)
                {
                    throttle.Refused(now);
                }
                else
                {
                    throttle.Accepted(now);
                    sent += second > 540 ? 1 : 0;
                }
            }
        }

        Assert.InRange(sent, 60 * perSecond * 0.95, 60 * perSecond);
    }

    [Fact]
    public void Probability_WindowIsOver_IsZeroAgain()
    {
        var throttle = new AdaptiveThrottle(2, Window, 1);
        throttle.Refused(Window);
        Assert.True(throttle.Probability(Window + (Window * 23 / 24)) > 0);
        Assert.Equal(0, throttle.Probability(2 * Window));
        Assert.False(throttle.IsRefused(2 * Window, new MeshRandom(1)));
    }

    [Fact]
    public void AnyHistory_ProbabilityIsOneAndNeverWhileMostIsAccepted()
    {
        var step = from accepted in Gen.Elements(true, false)
                   from pause in Gen.Choose(0, 20_000)
                   select (accepted, pause);
        Prop.ForAll(Arb.From(step.ListOf(300)), steps =>
        {
            var throttle = new AdaptiveThrottle(2, Window, 1);
            var now = Window;
            var all = new List<(long At, bool Accepted)>();
            foreach (var (accepted, pause) in steps)
            {
                now += pause;
                if (accepted)
                {
                    throttle.Accepted(now);
                }
                else
                {
                    throttle.Refused(now);
                }

                all.Add((now, accepted));
                // Counted in 24 slots: all of the present one and of the 23 before it.
                var slot = Window / 24;
                var counted = all.Where(one => one.At / slot > (now / slot) - 24).ToList();
                var expected = Math.Max(0, (counted.Count - (2.0 * counted.Count(one => one.Accepted))) / (counted.Count + 1));
                Assert.Equal(expected, throttle.Probability(now), 12);
                Assert.InRange(throttle.Probability(now), 0, 0.999);
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(100));
    }
}
