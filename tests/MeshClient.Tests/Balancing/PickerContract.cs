using FsCheck;
using FsCheck.Fluent;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

/// <summary>What every balancer owes, whatever its policy: run by each of them.</summary>
public abstract class PickerContract : IDisposable
{
    private readonly HttpRequestMessage _request = new(HttpMethod.Get, "http://orders/");
    private int _keys;

    protected FakeTimeProvider Time { get; } = new();

    /// <summary>Seeded: the same picks in every run.</summary>
    internal MeshRandom Random { get; } = new(20260101);

    /// <summary>How it is set up.</summary>
    private protected abstract MeshBalancingOptions Options { get; }

    /// <summary>The zone of the i-th instance.</summary>
    protected virtual string? ZoneOf(int index) => null;

    /// <summary>Makes the picker of a list.</summary>
    private protected virtual InstancePicker Build(InstanceState[] instances) =>
        TestInstances.Balancer(Time, Options).Build(instances, new Dictionary<string, int>());

    [Fact]
    public void TryPick_NoInstances_IsNull() => Assert.Null(Build([]).TryPick(Call([], anyOut: false)));

    [Fact]
    public void TryPick_AnyTriedAndEjected_NeverTheseWhileAnotherIsLeft()
    {
        // Bit masks over up to 20 instances: which are ejected, which were tried.
        var masks = Gen.Choose(0, (1 << 20) - 1);
        var gen = from count in Gen.Choose(1, 20) from ejected in masks from tried in masks from weight in Gen.Choose(1, 9) select (count, ejected, tried, weight);
        Prop.ForAll(Arb.From(gen), scenario =>
        {
            var instances = TestInstances.Make(
                scenario.count, Time, i => 1 + (i * scenario.weight % 7), allMayBeEjected: true, ZoneOf);
            var tried = instances.Where((_, i) => (scenario.tried >> i & 1) != 0).ToArray();
            foreach (var instance in instances.Where((_, i) => (scenario.ejected >> i & 1) != 0))
            {
                TestInstances.Eject(instance, Time.GetTimestamp());
            }

            var good = instances.Except(tried).Where(instance => !instance.Ejection.IsEjected).ToArray();
            var picker = Build(instances);
            for (var i = 0; i < 20; i++)
            {
                var picked = picker.TryPick(Call(tried, anyOut: true));
                Assert.True(good.Length == 0 ? picked is null : good.Contains(picked));
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(100));
    }

    [Fact]
    public void TryPick_OneGoodAmongMany_IsAlwaysFound()
    {
        var instances = TestInstances.Make(60, Time, allMayBeEjected: true, zone: ZoneOf);
        foreach (var instance in instances.Where((_, i) => i != 41))
        {
            TestInstances.Eject(instance, Time.GetTimestamp());
        }

        var picker = Build(instances);
        for (var i = 0; i < 200; i++)
        {
            Assert.Same(instances[41], picker.TryPick(Call([], anyOut: true)));
        }
    }

    [Fact]
    public async Task TryPick_ManyThreads_AlwaysPicksAndLeavesOutWhatIsEjected()
    {
        var instances = TestInstances.Make(20, Time, i => 1 + (i % 3), allMayBeEjected: true, ZoneOf);
        TestInstances.Eject(instances[3], Time.GetTimestamp());
        var picker = Build(instances);
        using var request = Request("key");
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 5000; i++)
            {
                var picked = picker.TryPick(new PickCall([instances[5]], anyOut: true, Random, Time.GetTimestamp()) { Request = request });
                Assert.True(picked is not null && picked != instances[3] && picked != instances[5]);
                picked.Load.Begin();
                picked.Load.Observe(i, Time.GetTimestamp());
                picked.Load.End();
            }
        })));
        Assert.All(instances, instance => Assert.Equal(0, instance.Load.InFlight));
    }

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        _request.Dispose();
    }

    /// <summary>A call with a key of its own.</summary>
    private protected PickCall Call(ReadOnlySpan<InstanceState> tried, bool anyOut)
    {
        _request.Headers.Remove("x-key");
        _request.Headers.TryAddWithoutValidation("x-key", $"key-{_keys++}");
        return new PickCall(tried, anyOut, Random, Time.GetTimestamp()) { Request = _request };
    }

    protected static HttpRequestMessage Request(string key)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        request.Headers.TryAddWithoutValidation("x-key", key);
        return request;
    }
}
