using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

/// <summary>Whose keys move when instances of unequal weights come and go, and where that has its bound.</summary>
public sealed class RingHashPickerTests
{
    private static readonly HttpRequestMessage[] Calls = [.. Enumerable.Range(0, 2000).Select(i =>
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        request.Headers.Add("x-key", $"user-{i}");
        return request;
    })];

    private readonly FakeTimeProvider _time = new();
    private readonly MeshRandom _random = new(3);
    private readonly InstanceState[] _instances;
    private readonly HashKey _key;

    public RingHashPickerTests()
    {
        _instances = TestInstances.Make(13, _time);
        Assert.True(HashKey.TryParse("header:x-key", out var key));
        _key = key;
    }

    // As likely of one size as of any other.
    private static Gen<int> Weight(int most) =>
        from size in Gen.Choose(0, 1000) select (int)Math.Pow(most, size / 1000.0);

    [Theory]
    [InlineData(1, 4)]
    [InlineData(1, 100)]
    [InlineData(4, 1)]
    [InlineData(100, 100)]
    public void Owners_OneOfAnyWeightComesOrGoes_OnlyItsKeysMove(int weight, int last)
    {
        int[] weights = [.. Enumerable.Repeat(weight, 10)];
        var share = AssertOnlyTheLastGains(weights, last, MeshDefaults.RingPoints, RingHashPicker.MaxRingSize);
        var fair = (double)last / (weights.Sum() + last);
        Assert.InRange(share, fair * 0.6, fair * 1.4);
    }

    [Fact]
    public void Owners_OneOfAnyWeightComesOrGoesAndTheSumPassesNoStep_OnlyItsKeysMove()
    {
        // The small ring has its steps where the great one has them, at lesser sums; so all numbers of halvings are met.
        var gen =
            from count in Gen.Choose(1, 12)
            from greatest in Gen.Elements(1, 10, 1000, 65_535)
            from weights in Weight(greatest).ListOf(count)
            from points in Weight(200)
            from most in Gen.Elements(1 << 8, 1 << 12, 1 << 15)
            let room = RoomToTheNextStep(weights.Sum(), points, most)
            where room > 0
            from last in Gen.OneOf(Weight((int)Math.Min(room, 65_535)), Gen.Choose(1, (int)Math.Min(room, 65_535)))
            select (Weights: weights.ToArray(), Last: last, Points: points, Most: most);
        Prop.ForAll(Arb.From(gen), list =>
        {
            AssertOnlyTheLastGains(list.Weights, list.Last, list.Points, list.Most);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(100));
    }

    [Fact]
    public void Owners_TheSumOfTheWeightsPassesAStep_HalfOfTheKeysMoveOnceAndNoMoreUntilTheNext()
    {
        // 1 048 576 / 160 = 6 553.6.
        int[] weights = [655, 655, 655, 655, 655, 655, 655, 655, 655, 657];
        var below = Owners([.. weights, 1], MeshDefaults.RingPoints);
        var above = Owners([.. weights, 2], MeshDefaults.RingPoints);
        Assert.InRange(Moved(below, above), 0.40, 0.50);
        Assert.Equal(0, Moved(above, Owners([.. weights, 6554], MeshDefaults.RingPoints), except: 10));
        Assert.Equal(0, Moved(below, Owners(weights, MeshDefaults.RingPoints), except: 10));
    }

    [Fact]
    public void Share_AnyWeights_IsInProportion()
    {
        var gen = from count in Gen.Choose(2, 12) from weights in Weight(200).ListOf(count) select weights.ToArray();
        Prop.ForAll(Arb.From(gen), weights =>
        {
            var owners = Owners(weights, MeshDefaults.RingPoints);
            for (var i = 0; i < weights.Length; i++)
            {
                var expected = (double)weights[i] / weights.Sum() * owners.Length;
                // Six standard deviations, of the points' and the keys' together.
                var deviation = Math.Sqrt((expected * expected / (MeshDefaults.RingPoints * weights[i])) + expected);
                Assert.InRange(owners.Count(owner => owner == i), expected - (6 * deviation), expected + (6 * deviation) + 1);
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(40));
    }

    [Theory]
    [InlineData(13, 65_535, 160)]
    [InlineData(13, 100, 65_536)]
    public void Build_GreatWeights_TakesNoMoreThanTheRingMayHave(int count, int weight, int points)
    {
        int[] weights = [.. Enumerable.Repeat(weight, count - 1), 1];
        Build([1, 1], 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var picker = Build(weights, points);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 12 * RingHashPicker.MaxRingSize / 2, 12.1 * RingHashPicker.MaxRingSize);

        // Those of the same weight have the same share still: within five times what 2^19 / 12 points and 2 000 keys vary by.
        var shares = Owners(picker).CountBy(owner => owner).ToDictionary();
        Assert.All(Enumerable.Range(0, count - 1), i => Assert.InRange(shares[i], 2000 / 12 * 0.6, 2000 / 12 * 1.4));
    }

    [Theory]
    [InlineData(65_535)]
    [InlineData(int.MaxValue)]
    public void Build_AThousandOfTheGreatestWeight_TakesNoMoreThanTheRingMayHave(int weight)
    {
        // As of a registry that lies. 65 535 times 160 points for each of them would be 126 GB.
        var instances = TestInstances.Make(1000, _time);
        double[] weights = [.. Enumerable.Repeat((double)weight, 1000)];
        Build([1, 1], 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var picker = new RingHashPicker(instances, weights, _key, null, MeshDefaults.RingPoints);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 12 * RingHashPicker.MaxRingSize / 2, 13 * RingHashPicker.MaxRingSize);
        var owners = Array.ConvertAll(
            Calls, call => picker.TryPick(new PickCall([], anyOut: false, _random, _time.GetTimestamp()) { Request = call })!);
        Assert.InRange(owners.Distinct().Count(), 700, 1000);
    }

    // That of the last; who goes is who comes, with the lists the other way round.
    private double AssertOnlyTheLastGains(int[] weights, int last, int points, int most)
    {
        var without = Owners(weights, points, most);
        var with = Owners([.. weights, last], points, most);
        Assert.All(without.Zip(with), pair => Assert.True(pair.First == pair.Second || pair.Second == weights.Length));
        return with.Count(owner => owner == weights.Length) / (double)with.Length;
    }

    private static long RoomToTheNextStep(long sum, int points, int most)
    {
        long step = most;
        while (step < points * sum)
        {
            step *= 2;
        }

        return (step / points) - sum;
    }

    private static double Moved(int[] before, int[] after, int except = -1)
    {
        var stayed = before.Zip(after).Where(pair => pair.First != except && pair.Second != except).ToList();
        return stayed.Count(pair => pair.First != pair.Second) / (double)stayed.Count;
    }

    private int[] Owners(int[] weights, int points, int most = RingHashPicker.MaxRingSize) => Owners(Build(weights, points, most));

    private int[] Owners(RingHashPicker picker) => Array.ConvertAll(Calls, call => Array.IndexOf(
        _instances, picker.TryPick(new PickCall([], anyOut: false, _random, _time.GetTimestamp()) { Request = call })));

    private RingHashPicker Build(int[] weights, int points, int most = RingHashPicker.MaxRingSize) =>
        new(_instances[..weights.Length], Array.ConvertAll(weights, weight => (double)weight), _key, null, points, most);
}
