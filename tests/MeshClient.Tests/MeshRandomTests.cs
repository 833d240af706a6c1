namespace MeshClient.Tests;

public sealed class MeshRandomTests
{
    [Fact]
    public void NextBits_SeedZero_IsSplitMix64() =>
        // The published first outputs for seed 0 (Vigna, splitmix64.c).
        Assert.Equal(
            [0xE220A8397B1DCDAFUL, 0x6E789E6AA1B965F4UL, 0x06C45D188009454FUL],
            new[] { new MeshRandom(0) }.SelectMany(random => new[] { random.NextBits(), random.NextBits(), random.NextBits() }));

    [Fact]
    public void NextDouble_ManyDraws_FillTheUnitIntervalEvenly()
    {
        var random = new MeshRandom(42);
        var buckets = new int[20];
        for (var i = 0; i < 200_000; i++)
        {
            var value = random.NextDouble();
            Assert.InRange(value, 0, 1 - double.Epsilon);
            Assert.NotEqual(1, value);
            buckets[(int)(value * 20)]++;
        }

        Assert.All(buckets, count => Assert.InRange(count, 9500, 10_500));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    [InlineData(int.MaxValue)]
    public void Next_Bound_IsNeverReached(int bound)
    {
        var random = new MeshRandom(7);
        for (var i = 0; i < 10_000; i++)
        {
            Assert.InRange(random.Next(bound), 0, bound - 1);
        }
    }

    [Fact]
    public void Scale_Extremes_StayInside()
    {
        Assert.Equal(0, MeshRandom.Scale(0, 10));
        Assert.Equal(9, MeshRandom.Scale(uint.MaxValue, 10));
        Assert.Equal(int.MaxValue - 1, MeshRandom.Scale(uint.MaxValue, int.MaxValue));
    }

    [Fact]
    public async Task PerThread_ManyThreads_FillTheUnitIntervalEvenly()
    {
        var random = new MeshRandom();
        var buckets = new int[20];
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 50_000; i++)
            {
                Interlocked.Increment(ref buckets[(int)(random.NextDouble() * 20)]);
            }
        })));
        Assert.All(buckets, count => Assert.InRange(count, 19_000, 21_000));
    }

    [Fact]
    public async Task PerThread_TwoThreads_HaveDifferentSequences()
    {
        var random = new MeshRandom();
        var (ready, drawn) = (new Barrier(2), new ulong[2][]);
        await Task.WhenAll(Enumerable.Range(0, 2).Select(i => Task.Factory.StartNew(
            () =>
            {
                // Both at once, so surely not on the same thread.
                ready.SignalAndWait(TimeSpan.FromMinutes(1));
                drawn[i] = [.. Enumerable.Range(0, 1000).Select(_ => random.NextBits())];
            },
            TaskCreationOptions.LongRunning)));
        Assert.Empty(drawn[0].Intersect(drawn[1]));
    }

    [Fact]
    public void ForeseeBits_Ahead_IsWhatIsDrawnThenAndDrawsNothing()
    {
        var (random, other) = (new MeshRandom(7), new MeshRandom(7));
        for (var i = 0; i < 100; i++)
        {
            var foreseen = new[] { random.ForeseeBits(1), random.ForeseeBits(2), random.ForeseeBits(3) };
            Assert.Equal(foreseen, new[] { random.NextBits(), random.NextBits(), random.NextBits() });
            Assert.Equal(foreseen, new[] { other.NextBits(), other.NextBits(), other.NextBits() });
        }
    }
}
