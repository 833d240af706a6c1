using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;

namespace MeshClient.Tests.Balancing;

public sealed class ApertureTests
{
    [Fact]
    public void ByRank_AllCallersTogether_GiveEveryInstanceTheSameShare()
    {
        var gen = from callers in Gen.Choose(1, 60) from instances in Gen.Choose(1, 200) from size in Gen.Choose(1, 40) select (callers, instances, size);
        Prop.ForAll(Arb.From(gen), one =>
        {
            var totals = new double[one.instances];
            for (var rank = 0; rank < one.callers; rank++)
            {
                var cut = Aperture.ByRank(rank, one.callers, one.instances, one.size);
                var width = cut.Sum(piece => piece.Part);
                Assert.True(width >= Math.Min(one.size, one.instances) - 1e-6, $"too narrow: {width}");
                Assert.Equal(cut.Count, cut.Select(piece => piece.Index).Distinct().Count());
                foreach (var (index, part) in cut)
                {
                    Assert.InRange(part, 1e-9, 1 + 1e-9);
                    totals[index] += part / width;
                }
            }

            // What P2C over the parts gives, each caller sending as much as any other.
            Assert.All(totals, total => Assert.Equal((double)one.callers / one.instances, total, 1e-6));
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void ByRank_AnotherCallerComes_NoNeighbourSeesFewerThanWanted() =>
        Assert.All(Enumerable.Range(0, 7), rank => Assert.InRange(Aperture.ByRank(rank, 7, 100, 12).Sum(one => one.Part), 12, 30));

    [Fact]
    public void ByRendezvous_AnInstanceGoesOrComes_OnePlaceChangesAtMost()
    {
        var names = Enumerable.Range(0, 200).Select(i => $"orders-{i}").ToList();
        for (ulong seed = 1; seed < 50; seed++)
        {
            var before = Names(seed, names);
            Assert.Equal(20, before.Count);
            var without = names.Where(name => name != "orders-77").ToList();
            Assert.True(before.Except(Names(seed, without)).Count() <= 1);
            Assert.True(before.Except(Names(seed, [.. names, "orders-new"])).Count() <= 1);
        }
    }

    [Fact]
    public void ByRendezvous_ManyCallers_AreEvenOnAverage()
    {
        var names = Enumerable.Range(0, 50).Select(i => $"orders-{i}").ToList();
        var counts = Enumerable.Range(1, 2000).SelectMany(seed => Names((ulong)seed * 7919, names)).CountBy(name => name).ToList();
        // 2000 callers of 10 out of 50: 400 each, six standard deviations.
        Assert.Equal(50, counts.Count);
        Assert.All(counts, one => Assert.InRange(one.Value, 400 - 110, 400 + 110));
    }

    private static List<string> Names(ulong seed, List<string> names) =>
        [.. Aperture.ByRendezvous(seed, names, names.Count > 100 ? 20 : 10).Select(one => names[one.Index])];
}
