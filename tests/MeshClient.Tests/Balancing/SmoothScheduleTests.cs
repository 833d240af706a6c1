using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;

namespace MeshClient.Tests.Balancing;

public sealed class SmoothScheduleTests
{
    [Theory]
    [InlineData("5,1,1", "aabacaa")]
    [InlineData("10,2,2", "aabacaa")]
    [InlineData("1,1,1", "abc")]
    [InlineData("3,0,1", "aaca")]
    [InlineData("4,2,1", "abacaba")]
    [InlineData("7", "a")]
    public void Build_SmallWeights_IsNginxsOrder(string weights, string expected)
    {
        var schedule = SmoothSchedule.Build([.. weights.Split(',').Select(int.Parse)]);
        Assert.Equal(expected, string.Concat(schedule.Select(index => (char)('a' + index))));
    }

    [Fact]
    public void Build_AnyWeights_EachComesAsOftenAsItsWeightSaysAndNeverLongInARow()
    {
        var weights = from count in Gen.Choose(1, 12) from list in Gen.Choose(0, 40).ListOf(count) where list.Sum() > 0 select list.ToArray();
        Prop.ForAll(Arb.From(weights), list =>
        {
            var schedule = SmoothSchedule.Build(list);
            var divisor = list.Sum() / schedule.Length;
            var counts = schedule.CountBy(index => index).ToDictionary();
            for (var i = 0; i < list.Length; i++)
            {
                Assert.Equal(list[i], counts.GetValueOrDefault(i) * divisor);
                CheckGaps(schedule, i, counts.GetValueOrDefault(i));
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void Build_GreatWeights_AreBroughtDownInProportionAndNobodyIsForgotten()
    {
        var schedule = SmoothSchedule.Build([65_535, 65_534, 1, 32_767]);
        Assert.InRange(schedule.Length, 1000, 65_536 + 4);
        var counts = schedule.CountBy(index => index).ToDictionary();
        Assert.Equal(2.0, (double)counts[0] / counts[3], 0.01);
        Assert.Equal(1, counts[2]);
    }

    [Fact]
    public void Build_ThousandsOfDifferentWeights_KeepsTheCounts()
    {
        int[] weights = [.. Enumerable.Range(1, 5000).Select(i => 1 + (i % 10))];
        var counts = SmoothSchedule.Build(weights).CountBy(index => index).ToDictionary();
        Assert.All(Enumerable.Range(0, weights.Length), i => Assert.Equal(weights[i], counts[i]));
    }

    [Fact]
    public void Build_NoWeightAtAll_HasNoTurns() => Assert.Empty(SmoothSchedule.Build([0, 0]));

    // Between two turns of one lie at most two of its mean distances: nginx's order, unlike blocks, never starves anybody.
    private static void CheckGaps(int[] schedule, int index, int count)
    {
        var last = -1;
        foreach (var at in Enumerable.Range(0, schedule.Length * 2).Where(i => schedule[i % schedule.Length] == index))
        {
            Assert.True(last < 0 || at - last <= (2.0 * schedule.Length / count) + 1, $"{string.Join(',', schedule)}: {index}");
            last = at;
        }
    }
}
