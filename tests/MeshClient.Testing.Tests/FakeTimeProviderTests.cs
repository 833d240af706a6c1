namespace MeshClient.Testing.Tests;

public sealed class FakeTimeProviderTests
{
    private static readonly DateTimeOffset Start = new(2031, 2, 3, 4, 5, 6, TimeSpan.FromHours(2));
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly FakeTimeProvider _clock = new(Start);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void GetUtcNow_AtStart_IsTheGivenMomentInUtc()
    {
        Assert.Equal(Start, _clock.GetUtcNow());
        Assert.Equal(TimeSpan.Zero, _clock.GetUtcNow().Offset);
        Assert.Equal(TimeZoneInfo.Utc, _clock.LocalTimeZone);
        Assert.Equal(new DateTimeOffset(2025, 1, 1, 0, 0, 0, TimeSpan.Zero), new FakeTimeProvider().GetUtcNow());
    }

    [Theory]
    [InlineData(1L)]
    [InlineData(7L)]
    [InlineData(10_001L)]
    [InlineData(10_000_000L)]
    [InlineData(315_360_000_000_000_1L)]
    public void Advance_ByTicks_MovesBothClocksByExactlyThat(long ticks)
    {
        var by = TimeSpan.FromTicks(ticks);
        _clock.Advance(TimeSpan.FromTicks(3));
        var began = _clock.GetTimestamp();
        var from = _clock.GetUtcNow();

        _clock.Advance(by);

        Assert.Equal(by, _clock.GetElapsedTime(began));
        Assert.Equal(by, _clock.GetUtcNow() - from);
    }

    [Fact]
    public void GetTimestamp_MistakenForTicksOrNanoseconds_DiffersByALot()
    {
        var began = _clock.GetTimestamp();
        _clock.Advance(Second);
        var passed = _clock.GetTimestamp() - began;

        Assert.Equal(_clock.TimestampFrequency, passed);
        Assert.NotEqual(TimeSpan.TicksPerSecond, passed);
        Assert.NotEqual(1_000_000_000, passed);
        Assert.NotEqual(System.Diagnostics.Stopwatch.Frequency, passed);
        Assert.True(began > _clock.TimestampFrequency);
    }

    [Fact]
    public void ShiftUtcNow_Backwards_MovesOnlyTheWallClock()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => fired++, null, Second, Timeout.InfiniteTimeSpan);
        var began = _clock.GetTimestamp();

        _clock.ShiftUtcNow(TimeSpan.FromHours(-1));

        Assert.Equal(Start - TimeSpan.FromHours(1), _clock.GetUtcNow());
        Assert.Equal(began, _clock.GetTimestamp());
        Assert.Equal(Second, _clock.NextDueIn);
        _clock.Advance(Second);
        Assert.Equal(1, fired);
    }

    [Fact]
    public void Advance_Negative_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _clock.Advance(TimeSpan.FromTicks(-1)));
        Assert.Equal(Start, _clock.GetUtcNow());
    }

    [Fact]
    public void Advance_SeveralTimersOnTheWay_FiresInDueOrderEachAtItsMoment()
    {
        var log = new List<(string Name, TimeSpan At)>();
        TimerCallback Note(string name) => _ => log.Add((name, _clock.GetUtcNow() - Start));
        using var late = _clock.CreateTimer(Note("late"), null, 3 * Second, Timeout.InfiniteTimeSpan);
        using var early = _clock.CreateTimer(Note("early"), null, Second, Timeout.InfiniteTimeSpan);
        using var second = _clock.CreateTimer(Note("same, armed second"), null, Second, Timeout.InfiniteTimeSpan);
        using var periodic = _clock.CreateTimer(Note("periodic"), null, 2 * Second, 2 * Second);
        using var never = _clock.CreateTimer(Note("never"), null, Timeout.InfiniteTimeSpan, Second);
        using var beyond = _clock.CreateTimer(Note("beyond"), null, 7 * Second, Timeout.InfiniteTimeSpan);
        Assert.Equal(5, _clock.ActiveTimers);

        _clock.Advance(6.5 * Second);

        Assert.Equal(
            [
                ("early", Second), ("same, armed second", Second), ("periodic", 2 * Second), ("late", 3 * Second),
                ("periodic", 4 * Second), ("periodic", 6 * Second),
            ],
            log);
        Assert.Equal(Start + (6.5 * Second), _clock.GetUtcNow());
        Assert.Equal(2, _clock.ActiveTimers);
        Assert.Equal(0.5 * Second, _clock.NextDueIn);
    }

    [Fact]
    public void Advance_JustShortOfTheMoment_DoesNotFire()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => fired++, null, Second, Timeout.InfiniteTimeSpan);

        _clock.Advance(Second - TimeSpan.FromTicks(1));
        Assert.Equal(0, fired);

        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(1, fired);
        Assert.Null(_clock.NextDueIn);
    }

    [Fact]
    public void Advance_CallbackArmsATimerWithinTheSpan_FiresThatToo()
    {
        TimeSpan? at = null;
        ITimer? inner = null;
        using var outer = _clock.CreateTimer(
            _ => inner = _clock.CreateTimer(_ => at = _clock.GetUtcNow() - Start, null, Second, Timeout.InfiniteTimeSpan),
            null,
            Second,
            Timeout.InfiniteTimeSpan);

        _clock.Advance(5 * Second);

        Assert.Equal(2 * Second, at);
        inner?.Dispose();
    }

    [Fact]
    public void Advance_CallbackThrows_ComesOutAndTheRestIsMadeUpFor()
    {
        using var bad = _clock.CreateTimer(_ => throw new InvalidOperationException("x"), null, Second, Timeout.InfiniteTimeSpan);
        var fired = 0;
        using var good = _clock.CreateTimer(_ => fired++, null, 2 * Second, Timeout.InfiniteTimeSpan);

        Assert.Throws<InvalidOperationException>(() => _clock.Advance(3 * Second));
        Assert.Equal(Start + Second, _clock.GetUtcNow());

        _clock.Advance(TimeSpan.Zero);
        Assert.Equal(1, fired);
        Assert.Equal(Start + (3 * Second), _clock.GetUtcNow());
    }

    [Fact]
    public void Advance_FromACallback_AddsUpAndDoesNotDeadlock()
    {
        using var timer = _clock.CreateTimer(_ => _clock.Advance(Second), null, Second, Timeout.InfiniteTimeSpan);

        _clock.Advance(2 * Second);

        Assert.Equal(Start + (3 * Second), _clock.GetUtcNow());
    }

    [Fact]
    public async Task Advance_CallbackWaitsForAnotherThreadUsingTheClock_DoesNotDeadlock()
    {
        DateTimeOffset? seen = null;
        using var timer = _clock.CreateTimer(
            _ =>
            {
                var other = new Thread(() => seen = _clock.GetUtcNow());
                other.Start();
                Assert.True(other.Join(TimeSpan.FromSeconds(10)));
            },
            null,
            Second,
            Timeout.InfiniteTimeSpan);

        await Task.Run(() => _clock.Advance(Second), Cancellation).WaitAsync(TimeSpan.FromSeconds(20), Cancellation);

        Assert.Equal(Start + Second, seen);
    }

    [Fact]
    public async Task Advance_FromManyThreads_AddsUpAndFiresEachPeriodOnce()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => Interlocked.Increment(ref fired), null, Second, Second);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 100; i++)
                {
                    _clock.Advance(Second);
                }
            },
            Cancellation)));

        Assert.Equal(800, fired);
        Assert.Equal(Start + (800 * Second), _clock.GetUtcNow());
    }

    [Fact]
    public void Change_ToAnotherTime_ReplacesTheOldOne()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => fired++, null, Second, Second);

        Assert.True(timer.Change(5 * Second, TimeSpan.Zero));
        Assert.Equal(1, _clock.ActiveTimers);
        _clock.Advance(4 * Second);
        Assert.Equal(0, fired);
        _clock.Advance(10 * Second);
        Assert.Equal(1, fired);

        Assert.True(timer.Change(Timeout.InfiniteTimeSpan, Second));
        Assert.Equal(0, _clock.ActiveTimers);
        _clock.Advance(10 * Second);
        Assert.Equal(1, fired);
    }

    [Theory]
    [InlineData(-2, 0)]
    [InlineData(0, -2)]
    [InlineData(4294967295, 0)]
    [InlineData(0, 4294967295)]
    public void CreateTimer_TimeOutOfRange_ThrowsAsTheSystemDoes(long due, long period)
    {
        void Make(TimeProvider provider) => provider
            .CreateTimer(_ => { }, null, TimeSpan.FromMilliseconds(due), TimeSpan.FromMilliseconds(period)).Dispose();

        Assert.Throws<ArgumentOutOfRangeException>(() => Make(TimeProvider.System));
        Assert.Throws<ArgumentOutOfRangeException>(() => Make(_clock));
    }

    [Fact]
    public async Task Dispose_ArmedTimer_NeverFiresAndCannotBeChanged()
    {
        var fired = 0;
        var timer = _clock.CreateTimer(_ => fired++, null, Second, Second);

        await timer.DisposeAsync();
        timer.Dispose();

        Assert.Equal(0, _clock.ActiveTimers);
        Assert.False(timer.Change(Second, Second));
        _clock.Advance(10 * Second);
        Assert.Equal(0, fired);
    }

    [Fact]
    public void Dispose_InItsOwnCallback_StopsThePeriod()
    {
        var fired = 0;
        ITimer? timer = null;
        timer = _clock.CreateTimer(
            _ =>
            {
                fired++;
                timer?.Dispose();
            },
            null,
            Second,
            Second);

        _clock.Advance(10 * Second);

        Assert.Equal(1, fired);
    }

    [Fact]
    public async Task CreateTimer_DueAtOnce_FiresWithoutAdvanceButNotOnTheCallersStack()
    {
        var fired = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var gate = new Lock();
        ITimer timer;
        lock (gate)
        {
            timer = _clock.CreateTimer(
                _ =>
                {
                    lock (gate)
                    {
                        fired.TrySetResult(Environment.CurrentManagedThreadId);
                    }
                },
                null,
                TimeSpan.Zero,
                Timeout.InfiniteTimeSpan);
            Assert.False(fired.Task.IsCompleted);
        }

        await fired.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancellation);
        await timer.DisposeAsync();
    }

    [Fact]
    public void CreateTimer_AmbientContext_IsTheMakersNotTheAdvancers()
    {
        var ambient = new AsyncLocal<string> { Value = "maker" };
        string? seen = null;
        using var timer = _clock.CreateTimer(_ => seen = ambient.Value, null, Second, Timeout.InfiniteTimeSpan);

        ambient.Value = "advancer";
        _clock.Advance(Second);

        Assert.Equal("maker", seen);
        Assert.Equal("advancer", ambient.Value);
    }

    [Fact]
    public async Task TaskDelay_WithTheClock_EndsOnAdvance()
    {
        var delay = Task.Delay(Second, _clock, Cancellation);

        _clock.Advance(Second - TimeSpan.FromMilliseconds(1));
        Assert.False(delay.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await delay.WaitAsync(TimeSpan.FromSeconds(10), Cancellation);
        Assert.Equal(0, _clock.ActiveTimers);
    }

    [Fact]
    public async Task TaskDelay_Cancelled_LeavesNoTimer()
    {
        using var cancel = new CancellationTokenSource();
        var delay = Task.Delay(Second, _clock, cancel.Token);
        Assert.Equal(1, _clock.ActiveTimers);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delay);
        Assert.Equal(0, _clock.ActiveTimers);
    }

    [Fact]
    public void CancellationTokenSource_WithTheClock_CancelsOnAdvance()
    {
        using var source = new CancellationTokenSource(Second, _clock);

        _clock.Advance(0.5 * Second);
        source.CancelAfter(Second);
        _clock.Advance(0.9 * Second);
        Assert.False(source.IsCancellationRequested);
        _clock.Advance(0.1 * Second);
        Assert.True(source.IsCancellationRequested);
    }

    [Fact]
    public async Task WaitAsyncAndPeriodicTimer_WithTheClock_FollowIt()
    {
        var never = new TaskCompletionSource();
        var waiting = never.Task.WaitAsync(Second, _clock, Cancellation);
        using var ticks = new PeriodicTimer(2 * Second, _clock);
        var tick = ticks.WaitForNextTickAsync(Cancellation);

        _clock.Advance(Second);
        await Assert.ThrowsAsync<TimeoutException>(() => waiting);
        Assert.False(tick.IsCompleted);
        _clock.Advance(Second);
        Assert.True(await tick);
    }

    [Fact]
    public async Task WaitForTimersAsync_ArmedLater_EndsThen()
    {
        var waiting = _clock.WaitForTimersAsync(2, cancellationToken: Cancellation);
        using var first = _clock.CreateTimer(_ => { }, null, Second, Second);
        Assert.False(waiting.IsCompleted);
        using var second = _clock.CreateTimer(_ => { }, null, Second, Second);

        await waiting;
        await _clock.WaitForTimersAsync(2, TimeSpan.Zero, Cancellation);
    }

    [Fact]
    public async Task WaitForTimersAsync_NeverArmed_SaysWhatItWaitedFor()
    {
        var e = await Assert.ThrowsAsync<TimeoutException>(
            () => _clock.WaitForTimersAsync(3, TimeSpan.FromMilliseconds(20), Cancellation));
        Assert.Contains("3 armed timers", e.Message, StringComparison.Ordinal);

        using var cancel = new CancellationTokenSource();
        var waiting = _clock.WaitForTimersAsync(3, cancellationToken: cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task WaitForTimerAsync_AnotherTimerIsArmed_WaitsForTheOneWithThatTime()
    {
        using var other = _clock.CreateTimer(_ => { }, null, Second, Second);
        var waiting = _clock.WaitForTimerAsync(3 * Second, cancellationToken: Cancellation);
        Assert.False(waiting.IsCompleted);

        using var wanted = _clock.CreateTimer(_ => { }, null, 3 * Second, Second);

        await waiting;
    }
}
