using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class LazyTimerTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    // Between the look at what is waited for and the word to the system's timer another call may stop it and set it for sooner.
    [Fact]
    public void Set_ForSoonerWhileItLooks_IsDueInTime()
    {
        var fake = new FakeTimeProvider();
        var time = new WatchedTime(fake);
        var due = 0;
        var timer = new LazyTimer(time, () => due++);
        timer.Set(fake.GetTimestamp(), TimeSpan.FromMilliseconds(100));
        Assert.True(timer.TryStop());
        timer.Set(fake.GetTimestamp(), TimeSpan.FromSeconds(30));
        time.OnTimestamp = () =>
        {
            Assert.True(timer.TryStop());
            timer.Set(fake.GetTimestamp(), TimeSpan.FromMilliseconds(50));
        };

        fake.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Null(time.OnTimestamp);
        fake.Advance(TimeSpan.FromMilliseconds(49));
        Assert.Equal(0, due);
        fake.Advance(TimeSpan.FromMilliseconds(2));
        Assert.Equal(1, due);
        fake.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(1, due);
        timer.Discard();
    }

    // The same right before the word is heard, so that it is the last, though what it says is over.
    [Fact]
    public void Set_ForSoonerAndStoppedWhileItSleepsOn_IsDueInTimeTheNextTime()
    {
        var fake = new FakeTimeProvider();
        var time = new WatchedTime(fake);
        var due = 0;
        var timer = new LazyTimer(time, () => due++);
        timer.Set(fake.GetTimestamp(), TimeSpan.FromMilliseconds(100));
        Assert.True(timer.TryStop());
        timer.Set(fake.GetTimestamp(), TimeSpan.FromSeconds(30));
        time.OnChange = () =>
        {
            Assert.True(timer.TryStop());
            timer.Set(fake.GetTimestamp(), TimeSpan.FromMilliseconds(50));
            Assert.True(timer.TryStop());
        };

        fake.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Null(time.OnChange);
        timer.Set(fake.GetTimestamp(), TimeSpan.FromMilliseconds(60));
        fake.Advance(TimeSpan.FromMilliseconds(59));
        Assert.Equal(0, due);
        fake.Advance(TimeSpan.FromMilliseconds(2));
        Assert.Equal(1, due);
        timer.Discard();
    }

    // The same the other way round: the word of whoever sets it is the last, though it looked meanwhile and sleeps on for less.
    [Fact]
    public async Task Set_ForLaterWhileItSleepsOn_IsDueInTimeTheNextTime()
    {
        var fake = new FakeTimeProvider();
        var time = new WatchedTime(fake);
        var due = 0;
        var timer = new LazyTimer(time, () => due++);
        timer.Set(fake.GetTimestamp(), TimeSpan.FromMilliseconds(100));
        Assert.True(timer.TryStop());
        timer.Set(fake.GetTimestamp(), TimeSpan.FromSeconds(30));
        using var isSetting = new ManualResetEventSlim();
        using var hasLooked = new ManualResetEventSlim();
        var setting = Task.CompletedTask;
        time.OnTimestamp = () =>
        {
            time.OnChange = () =>
            {
                isSetting.Set();
                hasLooked.Wait(Bound);
            };
            setting = Task.Run(() =>
            {
                timer.TryStop();
                timer.Set(fake.GetTimestamp(), TimeSpan.FromSeconds(60));
            });
            Assert.True(isSetting.Wait(Bound));
        };

        fake.Advance(TimeSpan.FromMilliseconds(100));
        hasLooked.Set();
        await setting;
        Assert.True(timer.TryStop());
        timer.Set(fake.GetTimestamp(), TimeSpan.FromSeconds(40));
        fake.Advance(TimeSpan.FromSeconds(39));
        Assert.Equal(0, due);
        fake.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(1, due);
        timer.Discard();
    }

    /// <summary>A clock that tells, once, when it is looked at, and when a timer of it is set.</summary>
    private sealed class WatchedTime(FakeTimeProvider time) : TimeProvider
    {
        public Action? OnTimestamp { get; set; }

        public Action? OnChange { get; set; }

        public override long TimestampFrequency => time.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => time.GetUtcNow();

        public override long GetTimestamp()
        {
            var told = OnTimestamp;
            OnTimestamp = null;
            told?.Invoke();
            return time.GetTimestamp();
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new Timer(this, time.CreateTimer(callback, state, dueTime, period));

        private sealed class Timer(WatchedTime watched, ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                var told = watched.OnChange;
                watched.OnChange = null;
                told?.Invoke();
                return timer.Change(dueTime, period);
            }

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
