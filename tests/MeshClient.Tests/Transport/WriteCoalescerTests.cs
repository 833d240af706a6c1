using System.Runtime.CompilerServices;
using MeshClient.Tests.Support;
using MeshClient.Transport;

namespace MeshClient.Tests.Transport;

public sealed class WriteCoalescerTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromTicks(1);
    private static readonly TimeSpan Short = WriteCoalescer.LongestHold - Tick;

    [Fact]
    public void WriteAsync_NotShared_HoldsNothing()
    {
        var rig = new CoalescerRig { IsShared = false }.BecomeBusy();
        for (var i = 0; i < 20; i++)
        {
            rig.Give(30);
        }

        Assert.Equal(Enumerable.Repeat(30, 20), rig.Writes);
        Assert.Equal(0, rig.Looks);
        rig.AssertArrived();
    }

    [Fact]
    public void WriteAsync_Shared_Holds()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(30);
        Assert.Empty(rig.Writes);
    }

    [Fact]
    public void WriteAsync_SharedNoMore_SendsWhatIsHeldAtOnce()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(30);
        rig.Give(31);
        rig.IsShared = false;
        rig.Give(32);
        Assert.Equal([93], rig.Writes);
        rig.AssertArrived();
    }

    [Theory]
    [InlineData(99.9, true)]
    [InlineData(100.1, false)]
    public void WriteAsync_WritesSoFarApart_AreHeldOnlyWhereTheyAreFrequent(double microseconds, bool isHeld)
    {
        var rig = new CoalescerRig();
        for (var i = 0; i < WriteCoalescer.RecentWrites; i++)
        {
            rig.Give(10);
            rig.Time.Advance(TimeSpan.FromTicks((long)(microseconds * 10)));
        }

        rig.Give(10);
        Assert.Equal(isHeld ? 4 : 5, rig.Writes.Length);
        Assert.Equal(isHeld ? 1 : 0, rig.Looks);
    }

    [Fact]
    public void WriteAsync_SomethingHeldForLongAndRareSince_GoesOutWithTheNext()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(10);
        rig.Time.Advance(TimeSpan.FromSeconds(1));
        rig.Give(11);
        rig.Give(12);
        Assert.Equal([21, 12], rig.Writes);
        rig.AssertArrived();
    }

    [Theory]
    [InlineData(new[] { 100, 100, 823 }, new int[0])]
    [InlineData(new[] { 100, 100, 824 }, new[] { 1024 })]
    [InlineData(new[] { 1023, 1024, 1 }, new[] { 2047 })]
    [InlineData(new[] { 1024, 1024 }, new[] { 1024, 1024 })]
    [InlineData(new[] { 1025, 3, 1025 }, new[] { 1025, 3, 1025 })]
    public void WriteAsync_Lengths_AreHeldUpToTheMost(int[] pieces, int[] writes)
    {
        var rig = new CoalescerRig().BecomeBusy();
        foreach (var piece in pieces)
        {
            rig.Give(piece);
        }

        Assert.Equal(writes, rig.Writes);
        Assert.True(rig.FlushAsync().IsCompletedSuccessfully);
        rig.AssertArrived();
    }

    [Fact]
    public void WriteAsync_NothingToWrite_IsHarmless()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(0);
        Assert.Equal(0, rig.Looks);
        rig.Give(5);
        rig.Give(0);
        Assert.Empty(rig.Writes);
        rig.Time.Advance(WriteCoalescer.LongestHold + Tick);
        rig.Give(0);
        Assert.Equal([5], rig.Writes);
        rig.AssertArrived();
    }

    [Fact]
    public void WriteAsync_FirstHasWaitedTheLongest_SendsAll()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(10);
        rig.Time.Advance(Short);
        rig.Give(11);
        Assert.Empty(rig.Writes);
        rig.Time.Advance(2 * Tick);
        rig.Give(12);
        Assert.Equal([33], rig.Writes);
        // And from here the next waits as long.
        rig.Give(13);
        rig.Time.Advance(Short);
        rig.Look();
        Assert.Equal([33], rig.Writes);
        rig.Time.Advance(2 * Tick);
        rig.Look();
        Assert.Equal([33, 13], rig.Writes);
        rig.AssertArrived();
    }

    [Fact]
    public void Execute_FirstHasWaitedTheLongest_SendsAll()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(10);
        rig.Give(11);
        rig.Give(12);
        Assert.Equal(1, rig.Looks);
        rig.Time.Advance(Short);
        rig.Look();
        Assert.Empty(rig.Writes);
        Assert.Equal(1, rig.Looks);
        rig.Time.Advance(2 * Tick);
        rig.Look();
        Assert.Equal([33], rig.Writes);
        Assert.Equal(0, rig.Looks);
        rig.AssertArrived();
    }

    [Fact]
    public void Execute_NothingHeldAnyMore_LooksNoMoreUntilSomethingIs()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(1023);
        rig.Give(1);
        Assert.Equal([1024], rig.Writes);
        rig.Look();
        Assert.Equal(0, rig.Looks);
        rig.Give(5);
        Assert.Equal(1, rig.Looks);
        rig.Time.Advance(WriteCoalescer.LongestHold + Tick);
        rig.Look();
        Assert.Equal([1024, 5], rig.Writes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1_000_000)]
    public void Execute_ClockStandsStillOrGoesBack_SendsAfterSoManyLooks(long step)
    {
        var clock = new OddClock { Step = step };
        var rig = new CoalescerRig(clock).BecomeBusy();
        for (var hold = 1; hold <= 2; hold++)
        {
            rig.Give(10);
            for (var i = 1; i < WriteCoalescer.MostLooks; i++)
            {
                rig.Look();
                Assert.Equal(hold - 1, rig.Writes.Length);
            }

            rig.Look();
            Assert.Equal(hold, rig.Writes.Length);
            Assert.Equal(0, rig.Looks);
        }

        rig.AssertArrived();
    }

    [Fact]
    public void WriteAsync_LongAfterSomethingHeld_GoesOutBehindIt()
    {
        var rig = new CoalescerRig { IsSlow = false }.BecomeBusy();
        rig.Give(10);
        rig.IsSlow = true;
        var giving = rig.GiveAsync(5000);
        Assert.Equal([10], rig.Writes);
        rig.Complete();
        Assert.Equal([10, 5000], rig.Writes);
        Assert.False(giving.IsCompleted);
        rig.Complete();
        Assert.True(giving.IsCompletedSuccessfully);
        rig.AssertArrived();
    }

    [Fact]
    public async Task WriteAsync_WriteUnderWay_HoldsUntilItEndsWhateverTheLoad()
    {
        var rig = BeginSlowWrite();
        rig.IsShared = false;
        rig.Time.Advance(TimeSpan.FromSeconds(1));
        rig.Give(11);
        rig.Give(12);
        // What looks find is for the one that writes.
        while (rig.Looks > 0)
        {
            rig.Look();
        }

        Assert.Equal([10], rig.Writes);
        rig.Complete();
        Assert.Equal([10, 23], rig.Writes);
        rig.Give(13);
        rig.Complete();
        Assert.Equal([10, 23, 13], rig.Writes);
        rig.Complete();
        Assert.False(rig.IsUnderWay);
        rig.AssertArrived();

        var last = rig.GiveAsync(14);
        Assert.Equal([10, 23, 13, 14], rig.Writes);
        rig.Complete();
        await last.BoundedAsync();
    }

    [Fact]
    public async Task WriteAsync_TooMuchPilesUpBehindAWrite_WaitsUntilAllIsWritten()
    {
        var rig = BeginSlowWrite();
        rig.Give(1000);
        var giving = rig.GiveAsync(24);
        Assert.False(giving.IsCompleted);
        rig.Complete();
        Assert.Equal([10, 1024], rig.Writes);
        Assert.False(giving.IsCompleted);
        rig.Complete();
        await giving.BoundedAsync();
        rig.AssertArrived();
    }

    [Fact]
    public async Task WriteAsync_LongWhileAWriteIsUnderWay_GoesOutBehindAll()
    {
        var rig = BeginSlowWrite();
        rig.Give(11);
        var giving = rig.GiveAsync(70_000);
        Assert.Equal([10], rig.Writes);
        rig.Complete();
        Assert.Equal([10, 11], rig.Writes);
        rig.Complete();
        await Eventually.HoldsAsync(() => rig.IsUnderWay);
        Assert.Equal([10, 11, 70_000], rig.Writes);
        Assert.False(giving.IsCompleted);
        rig.Complete();
        await giving.BoundedAsync();
        rig.AssertArrived();
    }

    [Fact]
    public async Task WriteAsync_OwnWriteIsSlow_WaitsForIt()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(1000);
        rig.IsSlow = true;
        var giving = rig.GiveAsync(100);
        Assert.Equal([1100], rig.Writes);
        Assert.False(giving.IsCompleted);
        rig.Complete();
        await giving.BoundedAsync();
        rig.AssertArrived();
    }

    [Fact]
    public async Task FlushAsync_Anything_IsWrittenWhenItEnds()
    {
        var rig = new CoalescerRig().BecomeBusy();
        Assert.True(rig.FlushAsync().IsCompletedSuccessfully);
        Assert.Empty(rig.Writes);
        rig.Give(10);
        rig.IsSlow = true;
        var first = rig.FlushAsync();
        Assert.Equal([10], rig.Writes);
        rig.Give(11);
        var second = rig.FlushAsync();
        Assert.Equal([10], rig.Writes);
        rig.Complete();
        Assert.Equal([10, 11], rig.Writes);
        Assert.False(second.IsCompleted);
        rig.Complete();
        await Task.WhenAll(first, second).BoundedAsync();
        rig.AssertArrived();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Execute_WriteFails_TellsTheNextWritesAndBreaksOnce(bool isSlow)
    {
        var rig = new CoalescerRig().BecomeBusy();
        var failure = new IOException("Gone.");
        rig.Give(10);
        rig.Time.Advance(WriteCoalescer.LongestHold + Tick);
        (rig.IsSlow, rig.Failure) = (isSlow, isSlow ? null : failure);
        // Nothing comes out of it: that would end the process.
        rig.Look();
        if (isSlow)
        {
            rig.Give(11);
            rig.Complete(failure);
        }

        Assert.Equal(1, rig.Broken);
        Assert.Same(failure, await Assert.ThrowsAsync<IOException>(() => rig.GiveAsync(1)));
        Assert.Same(failure, await Assert.ThrowsAsync<IOException>(() => rig.GiveAsync(5000)));
        Assert.Same(failure, await Assert.ThrowsAsync<IOException>(() => rig.FlushAsync()));
        while (rig.Looks > 0)
        {
            rig.Look();
        }

        rig.Coalescer.Close();
        Assert.Equal(1, rig.Broken);
        Assert.Empty(rig.Writes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WriteAsync_ItsOwnWriteFails_ThrowsAndBreaksOnce(bool isSlow)
    {
        var rig = new CoalescerRig().BecomeBusy();
        var failure = new IOException("Gone.");
        rig.Give(1000);
        (rig.IsSlow, rig.Failure) = (isSlow, isSlow ? null : failure);
        var giving = Record.ExceptionAsync(() => rig.GiveAsync(100)).AsTask();
        if (isSlow)
        {
            rig.Complete(failure);
        }

        Assert.Same(failure, await giving.BoundedAsync());
        Assert.Same(failure, await Assert.ThrowsAsync<IOException>(() => rig.GiveAsync(1)));
        Assert.Equal(1, rig.Broken);
    }

    [Theory]
    [InlineData(30, true)]
    [InlineData(30, false)]
    [InlineData(5000, true)]
    [InlineData(5000, false)]
    public async Task WriteAsync_NothingHeldAndItFails_NothingFollowsWhatMayBeHalfOfIt(int length, bool isSlow)
    {
        var rig = new CoalescerRig { IsShared = false }.BecomeBusy();
        var failure = new OperationCanceledException("Given up.");
        (rig.IsSlow, rig.Failure) = (isSlow, isSlow ? null : failure);
        var giving = Record.ExceptionAsync(() => rig.GiveAsync(length)).AsTask();
        if (isSlow)
        {
            rig.Complete(failure);
        }

        Assert.Same(failure, await giving.BoundedAsync());
        (rig.IsSlow, rig.Failure) = (false, null);
        Assert.Same(failure, await Assert.ThrowsAsync<OperationCanceledException>(() => rig.GiveAsync(1)));
        Assert.Same(failure, await Assert.ThrowsAsync<OperationCanceledException>(() => rig.GiveAsync(5000)));
        Assert.Equal(1, rig.Broken);
        Assert.Empty(rig.Writes);
    }

    [Theory]
    [InlineData(1020)]
    [InlineData(5000)]
    public async Task WriteAsync_WaitsForAWriteThatFails_IsTold(int length)
    {
        var rig = BeginSlowWrite();
        var failure = new IOException("Gone.");
        rig.Give(10);
        var giving = rig.GiveAsync(length);
        Assert.False(giving.IsCompleted);
        rig.Complete(failure);
        Assert.Same(failure, await Assert.ThrowsAsync<IOException>(() => giving.BoundedAsync()));
        Assert.Equal(1, rig.Broken);
        Assert.False(rig.IsUnderWay);
    }

    [Fact]
    public void WriteAsync_FailsWhenNobodyWaitsAnyMore_LeavesNoTaskUnobserved()
    {
        var failure = new IOException("Gone.");
        var unobserved = 0;
        void Watch(object? sender, UnobservedTaskExceptionEventArgs e)
        {
            if (e.Exception.Flatten().InnerExceptions.Contains(failure))
            {
                Interlocked.Increment(ref unobserved);
            }
        }

        TaskScheduler.UnobservedTaskException += Watch;
        try
        {
            Abandon(failure);
            for (var i = 0; i < 3; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Watch;
        }

        Assert.Equal(0, unobserved);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Close_SomethingHeld_BeginsToWriteItAndDoesNotWait(bool isSlow)
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(10);
        rig.IsSlow = isSlow;
        rig.Coalescer.Close();
        Assert.Equal([10], rig.Writes);
        rig.Coalescer.Close();
        rig.Look();
        if (isSlow)
        {
            rig.Complete(new ObjectDisposedException("socket"));
        }
        else
        {
            rig.AssertArrived();
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => rig.GiveAsync(1));
        Assert.Equal(0, rig.Looks);
    }

    [Fact]
    public async Task Close_WriteFails_ThrowsNothing()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(10);
        rig.Failure = new IOException("Gone.");
        rig.Coalescer.Close();
        // Whoever closes it ends the connection.
        Assert.Equal(0, rig.Broken);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => rig.GiveAsync(1));
    }

    [Fact]
    public async Task Close_WriteUnderWay_LeavesTheRestToIt()
    {
        var rig = BeginSlowWrite();
        rig.Give(1000);
        var waiting = rig.GiveAsync(24);
        rig.Coalescer.Close();
        Assert.Equal([10], rig.Writes);
        rig.Complete();
        Assert.Equal([10, 1024], rig.Writes);
        rig.Complete();
        await waiting.BoundedAsync();
        rig.AssertArrived();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => rig.GiveAsync(1));
    }

    // A look has begun to write 10 bytes.
    private static CoalescerRig BeginSlowWrite()
    {
        var rig = new CoalescerRig().BecomeBusy();
        rig.Give(10);
        rig.IsSlow = true;
        rig.Time.Advance(WriteCoalescer.LongestHold + Tick);
        rig.Look();
        Assert.True(rig.IsUnderWay);
        return rig;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Abandon(Exception failure)
    {
        var rig = BeginSlowWrite();
        Assert.False(rig.GiveAsync(1024).IsCompleted);
        rig.Complete(failure);
        Assert.Equal(1, rig.Broken);
    }

    private sealed class OddClock : TimeProvider
    {
        private long _now = 1_000_000_000_000;

        public long Step { get; init; }

        public override long GetTimestamp() => _now += Step;
    }
}
