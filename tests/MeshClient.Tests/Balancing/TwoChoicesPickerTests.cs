using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

public sealed class TwoChoicesPickerTests
{
    private const int Picks = 100_000;
    private readonly FakeTimeProvider _time = new();
    private readonly MeshRandom _random = new(20250101);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(100)]
    public void Pick_EqualInstances_AreSharedEvenly(int count)
    {
        var instances = TestInstances.Make(count, _time);
        var share = CountPicks(instances, []);
        var mean = (double)Picks / count;
        // Five standard deviations of a fair draw: a bias as small as one instance in the second draw is far outside.
        var tolerance = 5 * Math.Sqrt(mean);
        Assert.All(share, picks => Assert.InRange(picks, mean - tolerance, mean + tolerance));
    }

    [Fact]
    public void Foresee_BetweenPicks_ChangesNone()
    {
        var instances = TestInstances.Make(5000, _time);
        for (var i = 0; i < instances.Length; i++)
        {
            instances[i].Load.Observe(1 + (i * 7919 % 5000), _time.GetTimestamp());
        }

        var picker = new TwoChoicesPicker<LatencyCost>(instances);
        var (random, other) = (new MeshRandom(3), new MeshRandom(3));
        for (var i = 0; i < 2000; i++)
        {
            picker.Foresee(random);
            var careful = picker.TryPick(new PickCall([], anyOut: true, other, _time.GetTimestamp()));
            Assert.Same(careful, picker.TryPick(new PickCall([], anyOut: false, random, _time.GetTimestamp())));
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(100)]
    public void Pick_CallsHeldOpen_StayLevel(int count)
    {
        var instances = TestInstances.Make(count, _time);
        for (var i = 0; i < count * 50; i++)
        {
            Pick(instances).Load.Begin();
        }

        Assert.All(instances, instance => Assert.InRange(instance.Load.InFlight, 44, 56));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(100)]
    public void Pick_SlowInstance_GetsOnlyWhatCannotBeAvoided(int count)
    {
        var instances = TestInstances.Make(count, _time);
        foreach (var instance in instances)
        {
            instance.Load.Observe(_time.TimestampFrequency / 1000.0, _time.GetTimestamp());
        }

        instances[0].Load.Observe(_time.TimestampFrequency, _time.GetTimestamp());
        Assert.Equal(0, CountPicks(instances, [])[0]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Pick_LeastRequestAndOneRefusesFast_AttractsNoCallsUnlessOthersAreFull(int weight)
    {
        // The others have a call of 20 ms in flight all the time; what refuses at once never has.
        var instances = TestInstances.Make(4, _time, weight: i => i == 0 ? weight : 1);
        var picker = new TwoChoicesPicker<InFlightCost>(instances, Array.ConvertAll(instances, instance => (double)instance.Description.Weight));
        SimulatedCalls.SettleAt(instances, milliseconds: 20, _time);
        Begin(1);
        Assert.True(Share() > 2 * Picks / 5);
        SimulatedCalls.Fail(instances[0], _time);
        // Only where both draws are of it.
        Assert.InRange(Share(), 0, weight == 1 ? 0 : Picks * 0.26);
        Begin(1000);
        Assert.True(Share() > 2 * Picks / 5);

        void Begin(int calls)
        {
            foreach (var instance in instances[1..])
            {
                for (var i = 0; i < calls; i++)
                {
                    instance.Load.Begin();
                }
            }
        }

        int Share()
        {
            var picks = 0;
            for (var i = 0; i < Picks; i++)
            {
                picks += ReferenceEquals(picker.TryPick(new PickCall([], anyOut: false, _random, _time.GetTimestamp())), instances[0]) ? 1 : 0;
            }

            return picks;
        }
    }

    [Fact]
    public void Pick_SlowInstanceUnderLoad_IsUsedOnlyAsFarAsItIsWorth()
    {
        // A simulation: 10 instances, one ten times slower, calls that take as long as their instance needs.
        var instances = TestInstances.Make(10, _time);
        var ends = new PriorityQueue<(InstanceState Instance, long Start), long>();
        var share = new int[10];
        for (var i = 0; i < 20_000; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            var now = _time.GetTimestamp();
            while (ends.TryPeek(out var done, out var at) && at <= now)
            {
                ends.Dequeue();
                done.Instance.Load.Observe(at - done.Start, at);
                done.Instance.Load.End();
            }

            var instance = Pick(instances);
            var index = Array.IndexOf(instances, instance);
            share[index]++;
            instance.Load.Begin();
            ends.Enqueue((instance, now), now + (_time.TimestampFrequency / 1000 * (index == 0 ? 100 : 10)));
        }

        Assert.InRange(share[0], 1, 20_000 / 40);
        Assert.All(share[1..], picks => Assert.InRange(picks, 1700, 2800));
    }

    [Fact]
    public void Pick_WeightsUnderLoad_AreKept()
    {
        var instances = TestInstances.Make(2, _time, weight: i => i == 0 ? 3 : 1);
        for (var i = 0; i < 4000; i++)
        {
            Pick(instances).Load.Begin();
        }

        // Half of the draws of two are of one and the same, so the comparison has less to say than with equal weights.
        Assert.InRange(instances[0].Load.InFlight, 2960, 3040);
    }

    [Fact]
    public void Pick_SameSeed_SameChoices()
    {
        var instances = TestInstances.Make(10, _time);
        var other = new MeshRandom(20250101);
        for (var i = 0; i < 1000; i++)
        {
            Assert.Same(Pick(instances), Pick(instances, [], other));
        }
    }

    [Fact]
    public void Pick_AnyTriedAndEjected_PrefersUntriedInThenUntriedThenAnything()
    {
        // Bit masks over up to 12 instances: which are ejected, which were tried.
        var masks = ArbMap.Default.GeneratorFor<int>();
        var gen = from count in Gen.Choose(1, 12) from ejected in masks from tried in masks from seed in masks select (count, ejected, tried, seed);
        Prop.ForAll(Arb.From(gen), scenario =>
        {
            var (count, ejectedMask, triedMask, seed) = scenario;
            var instances = TestInstances.Make(count, _time, allMayBeEjected: true);
            var tried = instances.Where((_, i) => (triedMask >> i & 1) != 0).ToArray();
            for (var i = 0; i < count; i++)
            {
                if ((ejectedMask >> i & 1) != 0)
                {
                    TestInstances.Eject(instances[i], _time.GetTimestamp());
                }
            }

            var picked = Pick(instances, tried, new MeshRandom((ulong)seed));
            var untried = instances.Except(tried).ToArray();
            var good = untried.Where(instance => !instance.Ejection.IsEjected).ToArray();
            return count == 1
                || (good.Length > 0 ? good.Contains(picked) : untried.Length == 0 || untried.Contains(picked));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
    }

    [Fact]
    public void Pick_AllTried_NeverTheOneTriedLast()
    {
        var instances = TestInstances.Make(2, _time);
        Assert.Equal([Picks, 0], CountPicks(instances, instances));
    }

    [Fact]
    public void Pick_AllTriedAndSomeEjected_NeitherTheLastNorAnEjectedOne()
    {
        var instances = TestInstances.Make(3, _time, allMayBeEjected: true);
        TestInstances.Eject(instances[0], _time.GetTimestamp());
        Assert.Equal([0, Picks, 0], CountPicks(instances, instances));
        TestInstances.Eject(instances[1], _time.GetTimestamp());
        var share = CountPicks(instances, instances);
        Assert.Equal(0, share[2]);
        Assert.All(share[..2], picks => Assert.InRange(picks, Picks / 4, Picks * 3 / 4));
    }

    [Fact]
    public void Pick_AllEjected_PanicsAndSharesAmongAll()
    {
        var instances = TestInstances.Make(4, _time, allMayBeEjected: true);
        foreach (var instance in instances)
        {
            TestInstances.Eject(instance, _time.GetTimestamp());
        }

        Assert.All(CountPicks(instances, []), picks => Assert.InRange(picks, Picks / 4 * 0.95, Picks / 4 * 1.05));
    }

    [Fact]
    public void Pick_OneEjectedOfTen_IsNeverTaken()
    {
        var instances = TestInstances.Make(10, _time);
        TestInstances.Eject(instances[4], _time.GetTimestamp());
        var share = CountPicks(instances, []);
        Assert.Equal(0, share[4]);
        Assert.All(share.Where((_, i) => i != 4), picks => Assert.InRange(picks, Picks / 9 * 0.95, Picks / 9 * 1.05));
    }

    [Fact]
    public void Pick_OneGoodAmongMany_IsAlwaysFound()
    {
        var instances = TestInstances.Make(100, _time, allMayBeEjected: true);
        foreach (var instance in instances[1..])
        {
            TestInstances.Eject(instance, _time.GetTimestamp());
        }

        Assert.Equal(Picks, CountPicks(instances, [])[0]);
    }

    private InstanceState Pick(InstanceState[] instances) => Pick(instances, [], _random);

    private InstanceState Pick(InstanceState[] instances, InstanceState[] tried, MeshRandom random)
    {
        var picker = new TwoChoicesPicker<LatencyCost>(
            instances, Array.ConvertAll(instances, instance => (double)instance.Description.Weight));
        var call = new PickCall(tried, instances.Any(instance => instance.Ejection.IsEjected), random, _time.GetTimestamp());
        return picker.TryPick(call) ?? LastResort.Pick(instances, call);
    }

    private int[] CountPicks(InstanceState[] instances, InstanceState[] tried)
    {
        var share = new int[instances.Length];
        for (var i = 0; i < Picks; i++)
        {
            share[Array.IndexOf(instances, Pick(instances, tried, _random))]++;
        }

        return share;
    }
}
