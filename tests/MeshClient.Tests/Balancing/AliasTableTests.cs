using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;

namespace MeshClient.Tests.Balancing;

public sealed class AliasTableTests
{
    private const int Draws = 20_000;

    [Fact]
    public void Draw_AnyWeights_IsInProportion()
    {
        var gen = from count in Gen.Choose(2, 20) from list in Gen.Choose(0, 100).ListOf(count) where list.Sum() > 0 select list.ToArray();
        Prop.ForAll(Arb.From(gen), weights =>
        {
            var table = new AliasTable(Array.ConvertAll(weights, weight => (double)weight));
            var random = new MeshRandom(7);
            var counts = new int[weights.Length];
            for (var i = 0; i < Draws; i++)
            {
                counts[table.Draw(random)]++;
            }

            for (var i = 0; i < weights.Length; i++)
            {
                var expected = (double)weights[i] / weights.Sum() * Draws;
                // Six standard deviations of a binomial draw; one of weight 0 never.
                Assert.InRange(counts[i], expected - (6 * Math.Sqrt(expected)), expected + (6 * Math.Sqrt(expected)));
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Fact]
    public void AreUnequal_TellsWhetherATableIsNeeded()
    {
        Assert.False(AliasTable.AreUnequal([]));
        Assert.False(AliasTable.AreUnequal([3]));
        Assert.False(AliasTable.AreUnequal([2, 2, 2]));
        Assert.True(AliasTable.AreUnequal([2, 2, 1]));
    }
}
