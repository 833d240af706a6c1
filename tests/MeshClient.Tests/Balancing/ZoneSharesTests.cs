using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;

namespace MeshClient.Tests.Balancing;

public sealed class ZoneSharesTests
{
    [Theory]
    // As many callers as instances everywhere: nothing crosses.
    [InlineData("5,5,5", "5,5,5", "0.3333333,0.3333333,0.3333334", "1,0,0")]
    // More instances than callers here: still nothing crosses.
    [InlineData("10,2,3", "10,2,3", "0.3,0.4,0.3", "1,0,0")]
    // Half of what the callers here need: the other half to where there is a surplus, 0.3 to 0.1.
    [InlineData("2,5,3", "2,5,3", "0.4,0.4,0.2", "0.5,0.25,0.25")]
    [InlineData("2,4,4", "2,4,4", "0.4,0.1,0.5", "0.5,0.5,0")]
    // Not fair, just near.
    [InlineData("1,9", "1,9", "", "1,0")]
    // 71.4 % healthy is as good as all; half healthy is 70 %; none healthy is none.
    [InlineData("5,5", "7,7", "", "1,0")]
    [InlineData("5,10", "10,10", "", "0.7,0.3")]
    [InlineData("0,10", "10,10", "", "0,1")]
    [InlineData("0,10", "10,10", "0.5,0.5", "0,1")]
    public void Of_Example_IsTheFormulas(string healthy, string listed, string callers, string expected)
    {
        var shares = ZoneShares.Of(0, Whole(healthy), Whole(listed), Parts(callers));
        Assert.Equal(Parts(expected).Length, shares.Length);
        Assert.All(shares.Zip(Parts(expected)), pair => Assert.Equal(pair.Second, pair.First, 1e-6));
    }

    [Fact]
    public void Of_AnyZones_SumsToOneAndGivesNothingToTheDead()
    {
        var zone = from healthy in Gen.Choose(0, 20) from unhealthy in Gen.Choose(0, 20) from callers in Gen.Choose(0, 20) select (healthy, unhealthy, callers);
        var gen = from zones in zone.ListOf(4) from known in Gen.Choose(0, 1) where zones.Sum(one => one.healthy) > 0 select (zones, known);
        Prop.ForAll(Arb.From(gen), one =>
        {
            var zones = one.zones.ToArray();
            var all = zones.Sum(part => part.callers);
            double[] callers = one.known == 1 && all > 0 ? [.. zones.Select(part => (double)part.callers / all)] : [];
            var shares = ZoneShares.Of(
                0, [.. zones.Select(part => part.healthy)], [.. zones.Select(part => part.healthy + part.unhealthy)], callers);
            for (var i = 0; i < zones.Length; i++)
            {
                Assert.InRange(shares[i], -1e-9, 1 + 1e-9);
                Assert.True(zones[i].healthy > 0 || shares[i] < 1e-9);
            }

            // Only when nobody else is healthy can something be left, which then stays.
            Assert.True(Math.Abs(shares.Sum() - 1) < 1e-9 || zones[1..].Sum(part => part.healthy) == 0);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
    }

    [Fact]
    public void Of_AllZonesHealthy_EveryInstanceGetsTheSame()
    {
        // What each zone's callers send, added up per zone of instances: fair means in proportion to the instances.
        var gen = from instances in Gen.Choose(1, 30).ListOf(3) from callers in Gen.Choose(1, 30).ListOf(3) select (instances.ToArray(), callers.ToArray());
        Prop.ForAll(Arb.From(gen), one =>
        {
            var (instances, counts) = one;
            double[] callers = [.. counts.Select(count => (double)count / counts.Sum())];
            var load = new double[3];
            for (var from = 0; from < 3; from++)
            {
                var shares = ZoneShares.Of(from, instances, instances, callers);
                for (var to = 0; to < 3; to++)
                {
                    load[to] += callers[from] * shares[to];
                }
            }

            Assert.All(Enumerable.Range(0, 3), zone => Assert.Equal((double)instances[zone] / instances.Sum(), load[zone], 1e-9));
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    private static int[] Whole(string text) => [.. text.Split(',').Select(int.Parse)];

    private static double[] Parts(string text) =>
        text.Length == 0 ? [] : [.. text.Split(',').Select(one => double.Parse(one, System.Globalization.CultureInfo.InvariantCulture))];
}
