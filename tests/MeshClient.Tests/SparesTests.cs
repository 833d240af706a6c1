namespace MeshClient.Tests;

public sealed class SparesTests
{
    [Fact]
    public void TryTake_Kept_IsTheSameAndOnlyOnce()
    {
        var spares = new Spares<object>(4);
        var one = new object();
        Assert.Null(spares.TryTake());
        Assert.True(spares.TryKeep(one));
        Assert.Same(one, spares.TryTake());
        Assert.Null(spares.TryTake());
    }

    [Fact]
    public void TryKeep_Enough_IsNotKept()
    {
        const int Most = 4;
        var spares = new Spares<object>(Most);
        var kept = Enumerable.Range(0, 1000).Count(_ => spares.TryKeep(new object()));
        // One place for each processor this thread has been on, and the rest.
        Assert.InRange(kept, Most + 1, Most + Environment.ProcessorCount);
    }

    [Fact]
    public async Task TryTake_ManyThreads_NobodyGetsWhatAnotherHas()
    {
        var spares = new Spares<StrongBox>(8);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                var box = spares.TryTake() ?? new StrongBox();
                Assert.Equal(1, Interlocked.Increment(ref box.Users));
                Assert.Equal(0, Interlocked.Decrement(ref box.Users));
                spares.TryKeep(box);
            }
        })));
    }

    private sealed class StrongBox
    {
        public int Users;
    }
}
