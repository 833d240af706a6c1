using MeshClient.Consul.Tests.Fakes;
using MeshClient.Consul.Wire;

namespace MeshClient.Consul.Tests.Wire;

public sealed class ParkedQueryGateTests
{
    private static readonly TimeSpan Full = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Enter_NotMoreWatchesThanSlots_WaitsInFull()
    {
        var gate = new ParkedQueryGate(2, Full, Period, TimeProvider.System);

        using var first = await gate.EnterAsync(Cancellation);
        using var second = await gate.EnterAsync(Cancellation);

        Assert.Equal(Full, first.Wait);
        Assert.Equal(Full, second.Wait);
        Assert.False(first.Cut.IsCancellationRequested);
    }

    [Fact]
    public async Task Enter_MoreWatchesThanSlots_FirstComeFirstServedWithShortWaits()
    {
        var gate = new ParkedQueryGate(1, Full, Period, TimeProvider.System);
        var parked = await gate.EnterAsync(Cancellation);
        var waiting = Enumerable.Range(0, 4).Select(_ => gate.EnterAsync(Cancellation).AsTask()).ToList();

        foreach (var next in waiting)
        {
            Assert.False(next.IsCompleted);
            parked.Dispose();
            parked = await next.WaitAsync(TimeSpan.FromSeconds(5), Cancellation);
            Assert.InRange(parked.Wait, TimeSpan.FromSeconds(1), Period / 2);
        }

        parked.Dispose();
    }

    [Theory]
    [InlineData(4, 8, 5.0)]
    [InlineData(1, 50, 1.0)]
    public async Task Enter_Crowded_EachWatchHasItsTurnOncePerPeriodButNeverUnderASecond(int slots, int watches, double seconds)
    {
        var gate = new ParkedQueryGate(slots, Full, Period, TimeProvider.System);
        var entered = Enumerable.Range(0, watches).Select(_ => gate.EnterAsync(Cancellation).AsTask()).ToList();

        (await entered[0]).Dispose();

        // One has left.
        using var next = await entered[slots].WaitAsync(TimeSpan.FromSeconds(5), Cancellation);
        Assert.InRange(next.Wait.TotalSeconds, seconds, seconds * watches / (watches - 1) + 0.01);
    }

    [Fact]
    public async Task Enter_LongWaitsAreParked_TheyAreCutOneAfterTheOther()
    {
        var period = TimeSpan.FromMilliseconds(400);
        var gate = new ParkedQueryGate(2, Full, period, TimeProvider.System);
        using var first = await gate.EnterAsync(Cancellation);
        using var second = await gate.EnterAsync(Cancellation);

        var third = gate.EnterAsync(Cancellation).AsTask();

        await Eventually.TrueAsync(() => first.Cut.IsCancellationRequested, "the first is cut");
        await Eventually.TrueAsync(() => second.Cut.IsCancellationRequested, "the second is cut");
        Assert.False(third.IsCompleted);
        first.Dispose();
        using var granted = await third.WaitAsync(TimeSpan.FromSeconds(5), Cancellation);
        Assert.False(granted.Cut.IsCancellationRequested);
    }

    [Fact]
    public async Task Enter_GivenUpWhileInLine_LosesItsPlaceOnly()
    {
        var gate = new ParkedQueryGate(1, Full, Period, TimeProvider.System);
        var parked = await gate.EnterAsync(Cancellation);
        using var stop = new CancellationTokenSource();
        var impatient = gate.EnterAsync(stop.Token).AsTask();
        var patient = gate.EnterAsync(Cancellation).AsTask();

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        parked.Dispose();

        using var slot = await patient.WaitAsync(TimeSpan.FromSeconds(5), Cancellation);
    }

    [Fact]
    public async Task Enter_CrowdIsGone_WaitsInFullAgain()
    {
        var period = TimeSpan.FromMilliseconds(50);
        var gate = new ParkedQueryGate(1, Full, period, TimeProvider.System);
        var first = await gate.EnterAsync(Cancellation);
        var second = gate.EnterAsync(Cancellation).AsTask();
        first.Dispose();
        (await second).Dispose();
        var begin = TimeProvider.System.GetTimestamp();
        await Eventually.TrueAsync(() => TimeProvider.System.GetElapsedTime(begin) > 2 * period, "two periods are over");

        using var third = await gate.EnterAsync(Cancellation);

        Assert.Equal(Full, third.Wait);
    }

    [Fact]
    public async Task Enter_ManyAtOnceWithRandomCancellation_NeverMoreThanTheSlots()
    {
        const int Slots = 3;
        var gate = new ParkedQueryGate(Slots, Full, TimeSpan.FromMilliseconds(20), TimeProvider.System);
        var open = 0;
        var most = 0;
        await Task.WhenAll(Enumerable.Range(0, 40).Select(seed => Task.Run(
            async () =>
            {
                var random = new Random(seed);
                for (var i = 0; i < 50; i++)
                {
                    using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(random.Next(1, 20)), TimeProvider.System);
                    try
                    {
                        using var slot = await gate.EnterAsync(stop.Token);
                        var now = Interlocked.Increment(ref open);
                        InterlockedMax(ref most, now);
                        await Task.Yield();
                        Interlocked.Decrement(ref open);
                    }
                    catch (OperationCanceledException)
                    {
                    }
                }
            },
            Cancellation)));

        Assert.InRange(most, 1, Slots);
        for (var i = 0; i < Slots; i++)
        {
            // All slots have come back.
            Assert.True(gate.EnterAsync(Cancellation).AsTask().IsCompletedSuccessfully);
        }
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while (value > (seen = Volatile.Read(ref target)) && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
        }
    }
}
