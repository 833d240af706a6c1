using MeshClient.Overload;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Overload;

public sealed class AdmissionLimiterTests
{
    [Fact]
    public void TryEnter_UpToTheLimit_ThenNot()
    {
        var limiter = new AdmissionLimiter(2, queueLength: 0);

        Assert.True(limiter.TryEnter() && limiter.TryEnter());
        Assert.False(limiter.TryEnter());
        Assert.Null(limiter.Enqueue());
        Assert.Equal(2, limiter.InFlight);
        Assert.Equal(2, limiter.Leave());
        Assert.True(limiter.TryEnter());
    }

    [Fact]
    public void TryEnter_WithRoom_AllocatesNothing()
    {
        var limiter = new AdmissionLimiter(1024, queueLength: 100);
        limiter.TryEnter();
        limiter.Leave();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            limiter.TryEnter();
            limiter.Leave();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Leave_SomeWait_TheNewestIsAdmittedFirst()
    {
        var limiter = new AdmissionLimiter(1, queueLength: 3);
        limiter.TryEnter();
        var waiters = Enumerable.Range(0, 3).Select(_ => limiter.Enqueue()!).ToList();

        limiter.Leave();
        Assert.Equal([false, false, true], waiters.Select(IsAdmitted));
        Assert.Equal((1, 2), (limiter.InFlight, limiter.Waiting));
        limiter.Leave();
        Assert.Equal([false, true, true], waiters.Select(IsAdmitted));
        limiter.Leave();
        Assert.Equal([true, true, true], waiters.Select(IsAdmitted));
        limiter.Leave();
        Assert.Equal((0, 0), (limiter.InFlight, limiter.Waiting));
    }

    [Fact]
    public async Task Enqueue_QueueIsFull_TheOldestLosesItsPlace()
    {
        var limiter = new AdmissionLimiter(1, queueLength: 2);
        limiter.TryEnter();
        var (oldest, _, newest) = (limiter.Enqueue()!, limiter.Enqueue()!, limiter.Enqueue()!);

        Assert.False(await oldest.Admitted.BoundedAsync());
        Assert.False(limiter.TryGiveUp(oldest));
        Assert.Equal(2, limiter.Waiting);
        limiter.Leave();
        Assert.True(await newest.Admitted.BoundedAsync());
    }

    [Fact]
    public void TryEnter_SomeWait_DoesNotPassThem()
    {
        var limiter = new AdmissionLimiter(1, queueLength: 1);
        limiter.TryEnter();
        var waiter = limiter.Enqueue()!;

        Assert.False(limiter.TryEnter());
        Assert.False(IsAdmitted(waiter));
        Assert.True(limiter.TryGiveUp(waiter));
        Assert.Equal((1, 0), (limiter.InFlight, limiter.Waiting));
        limiter.Leave();
        Assert.True(limiter.TryEnter());
    }

    [Fact]
    public void Enqueue_RoomMeanwhile_IsAdmittedAtOnce()
    {
        var limiter = new AdmissionLimiter(1, queueLength: 1);
        limiter.TryEnter();
        Assert.False(limiter.TryEnter());
        limiter.Leave();

        Assert.True(IsAdmitted(limiter.Enqueue()!));
        Assert.Equal((1, 0), (limiter.InFlight, limiter.Waiting));
    }

    [Fact]
    public void Limit_RaisedAndLowered_AdmitsThoseWaitingAndThenWaitsForRoom()
    {
        var limiter = new AdmissionLimiter(1, queueLength: 10);
        limiter.TryEnter();
        var waiters = Enumerable.Range(0, 4).Select(_ => limiter.Enqueue()!).ToList();

        limiter.Limit = 3;
        Assert.Equal(2, waiters.Count(IsAdmitted));
        limiter.Limit = 1;
        limiter.Leave();
        limiter.Leave();
        Assert.Equal(2, waiters.Count(IsAdmitted));
        limiter.Leave();
        Assert.Equal(3, waiters.Count(IsAdmitted));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ManyThreads_LimitChangesMeanwhile_NeverMoreThanTheGreatestAndNobodyIsForgotten()
    {
        const int Greatest = 8;
        const int Workers = 24;
        var limiter = new AdmissionLimiter(4, queueLength: 16);
        var (running, most, admitted, refused, gaveUp) = (0, 0, 0, 0, 0);
        using var done = new CancellationTokenSource();
        var changing = Task.Run(async () =>
        {
            var random = new Random(7);
            while (!done.IsCancellationRequested)
            {
                limiter.Limit = 1 + random.Next(Greatest);
                await Task.Yield();
            }
        }, TestContext.Current.CancellationToken);
        await Task.WhenAll(Enumerable.Range(0, Workers).Select(seed => Task.Run(async () =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 4000; i++)
            {
                if (!limiter.TryEnter())
                {
                    var waiter = limiter.Enqueue()!;
                    if (random.Next(8) == 0 && limiter.TryGiveUp(waiter))
                    {
                        Interlocked.Increment(ref gaveUp);
                        continue;
                    }

                    if (!await waiter.Admitted.BoundedAsync())
                    {
                        Interlocked.Increment(ref refused);
                        continue;
                    }
                }

                var now = Interlocked.Increment(ref running);
                for (var seen = Volatile.Read(ref most); now > seen; seen = Volatile.Read(ref most))
                {
                    Interlocked.CompareExchange(ref most, now, seen);
                }

                if (random.Next(4) == 0)
                {
                    await Task.Yield();
                }

                Interlocked.Increment(ref admitted);
                Interlocked.Decrement(ref running);
                limiter.Leave();
            }
        })));
        await done.CancelAsync();
        await changing;

        Assert.InRange(most, 1, Greatest);
        Assert.Equal(Workers * 4000, admitted + refused + gaveUp);
        Assert.Equal((0, 0), (limiter.InFlight, limiter.Waiting));
    }

    private static bool IsAdmitted(AdmissionLimiter.Waiter waiter) => waiter.Admitted is { IsCompletedSuccessfully: true, Result: true };
}
