using MeshClient.Balancing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

public sealed class StaticStrideTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(5, 1, 1)]
    [InlineData(0.001, 0.002, 0.003)]
    [InlineData(1e9, 5e8, 1e7)]
    public void Next_ManyTurns_AreInProportion(double a, double b, double c)
    {
        var stride = new StaticStride([a, b, c], start: 0xABCDEF0123456789);
        var counts = new int[3];
        for (var i = 0; i < 100_000; i++)
        {
            counts[stride.Next()]++;
        }

        double[] weights = [a, b, c];
        for (var i = 0; i < 3; i++)
        {
            // Each is off by at most a turn a round and by the rounding of its weight.
            Assert.Equal(weights[i] / weights.Sum(), counts[i] / 100_000.0, 0.001);
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData(double.PositiveInfinity, 1, 1)]
    [InlineData(double.NaN, 1, 2)]
    [InlineData(0, 0, 0)]
    [InlineData(double.Epsilon, 0, 0)]
    public async Task Next_WeightsThatAreNone_StillComesToAnEnd(double a, double b, double c)
    {
        var stride = new StaticStride([a, b, c], start: 0);
        // On another thread, because what goes wrong here would never come back.
        var turns = await Task.Run(() => Enumerable.Range(0, 1000).Select(_ => stride.Next()).ToList()).BoundedAsync();
        Assert.All(turns, turn => Assert.InRange(turn, 0, 2));
    }

    [Fact]
    public void Next_OneOfAllWeight_ComesEvenly()
    {
        var stride = new StaticStride([4, 1, 1], start: 0);
        var turns = Enumerable.Range(0, 600).Select(_ => stride.Next()).ToArray();
        for (var i = 0; i + 12 <= turns.Length; i++)
        {
            Assert.InRange(turns.Skip(i).Take(12).Count(turn => turn == 0), 7, 9);
        }
    }
}
