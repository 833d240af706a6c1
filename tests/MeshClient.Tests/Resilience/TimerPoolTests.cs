using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class TimerPoolTests
{
    [Fact]
    public void Rent_Returned_IsUsedAgainAndItsTimerIsOff()
    {
        var pool = new TimerPool(TimeProvider.System);
        var source = pool.Rent();
        source.CancelAfter(TimeProvider.System.GetTimestamp(), TimeSpan.FromHours(1));
        pool.Return(source);
        var again = pool.Rent();
        Assert.Same(source, again);
        Assert.False(again.IsCancellationRequested);
    }

    [Fact]
    public void Return_Cancelled_IsThrownAway()
    {
        var pool = new TimerPool(TimeProvider.System);
        var source = pool.Rent();
        source.Cancel();
        pool.Return(source);
        var fresh = pool.Rent();
        Assert.NotSame(source, fresh);
        Assert.False(fresh.IsCancellationRequested);
        Assert.Throws<ObjectDisposedException>(() => source.Token);
    }

    [Fact]
    public void Return_RegistrationLeftBehind_DoesNotHearOfTheNextUse()
    {
        var pool = new TimerPool(TimeProvider.System);
        var source = pool.Rent();
        var heard = false;
        source.Token.Register(() => heard = true);
        pool.Return(source);
        pool.Rent().Cancel();
        Assert.False(heard);
    }

    [Fact]
    public void Rent_GivenClock_FiresByIt()
    {
        var time = new FakeTimeProvider();
        var source = new TimerPool(time).Rent();
        source.CancelAfter(time.GetTimestamp(), TimeSpan.FromSeconds(5));
        time.Advance(TimeSpan.FromSeconds(5) - TimeSpan.FromTicks(1));
        Assert.False(source.IsCancellationRequested);
        time.Advance(TimeSpan.FromTicks(1));
        Assert.True(source.IsCancellationRequested);
    }

    [Fact]
    public void Rent_Returned_LimitBeforeDoesNotCountForTheNextUse()
    {
        var time = new FakeTimeProvider();
        var pool = new TimerPool(time);
        var source = pool.Rent();
        source.CancelAfter(time.GetTimestamp(), TimeSpan.FromSeconds(5));
        time.Advance(TimeSpan.FromSeconds(4));
        pool.Return(source);
        Assert.Same(source, pool.Rent());
        source.CancelAfter(time.GetTimestamp(), TimeSpan.FromSeconds(5));
        time.Advance(TimeSpan.FromSeconds(5) - TimeSpan.FromTicks(1));
        Assert.False(source.IsCancellationRequested);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(source.IsCancellationRequested);
    }

    [Fact]
    public async Task CancelAfter_LimitOverAtTheMomentOfReturn_IsCancelledOrKeptNeverBoth()
    {
        var pool = new TimerPool(TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            var spin = new SpinWait();
            for (var i = 0; i < 300; i++)
            {
                var source = pool.Rent();
                var from = TimeProvider.System.GetTimestamp();
                while (TimeProvider.System.GetElapsedTime(from) < TimeSpan.FromMicroseconds(50))
                {
                    // Nor does whoever had it before cancel it now.
                    Assert.False(source.IsCancellationRequested);
                }

                from = TimeProvider.System.GetTimestamp();
                source.CancelAfter(from, TimeSpan.FromMilliseconds(1));
                while (TimeProvider.System.GetElapsedTime(from) < TimeSpan.FromMicroseconds(1000 + (i % 20 * 20)))
                {
                    spin.SpinOnce();
                }

                pool.Return(source);
            }
        })));
    }

    [Fact]
    public async Task Rent_ManyThreads_NobodyGetsASourceThatIsInUse()
    {
        var pool = new TimerPool(TimeProvider.System);
        var inUse = new System.Collections.Concurrent.ConcurrentDictionary<CancellationTokenSource, int>();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                var source = pool.Rent();
                Assert.True(inUse.TryAdd(source, worker));
                Assert.False(source.IsCancellationRequested);
                if (i % 50 == 0)
                {
                    source.Cancel();
                }

                Assert.True(inUse.TryRemove(source, out _));
                pool.Return(source);
            }
        })));
    }
}
