using MeshClient.Balancing;
using MeshClient.Discovery;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

public sealed class MaglevPickerTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly MeshRandom _random = new(3);
    private readonly HashKey _key;

    public MaglevPickerTests()
    {
        Assert.True(HashKey.TryParse("header:x-key", out var key));
        _key = key;
    }

    [Fact]
    public void Build_OneOfTheGreatestWeightAmongManyOfTheLeast_TakesHardlyLongerThanEqualOnes()
    {
        // As of a registry that lies. In rounds over all of them it would take 65 537 rounds of 10 000 looks.
        var instances = TestInstances.Make(10_000, _time);
        double[] equal = [.. Enumerable.Repeat(1.0, instances.Length)];
        double[] unequal = [65_535, .. equal[1..]];

        var bound = 15 * BestOf(7, () => Build(instances, equal));

        Assert.InRange(BestOf(7, () => Build(instances, unequal)), TimeSpan.Zero, bound);
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 2, 3)]
    [InlineData(100, 1, 7)]
    [InlineData(65_535, 65_534, 1)]
    public void Share_AnyWeights_IsThatOfTheWeight(params int[] weights)
    {
        var instances = TestInstances.Make(weights.Length, _time);
        var picker = Build(instances, Array.ConvertAll(weights, weight => (double)weight));
        var picks = new int[weights.Length];
        for (var i = 0; i < 20_000; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
            request.Headers.Add("x-key", $"user-{i}");
            var picked = picker.TryPick(new PickCall([], anyOut: false, _random, _time.GetTimestamp()) { Request = request });
            picks[Array.IndexOf(instances, picked)]++;
        }

        for (var i = 0; i < weights.Length; i++)
        {
            // The table is dealt exactly; six standard deviations of the keys.
            var expected = 20_000.0 * weights[i] / weights.Sum();
            Assert.InRange(picks[i], expected - (6 * Math.Sqrt(expected)) - 1, expected + (6 * Math.Sqrt(expected)) + 1);
        }
    }

    private static TimeSpan BestOf(int times, Func<MaglevPicker> build)
    {
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < times; i++)
        {
            var start = TimeProvider.System.GetTimestamp();
            Assert.NotNull(build());
            var took = TimeProvider.System.GetElapsedTime(start);
            best = took < best ? took : best;
        }

        return best;
    }

    private MaglevPicker Build(InstanceState[] instances, double[] weights) => new(instances, weights, _key, null);
}
