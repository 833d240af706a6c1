using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class LazyTimerTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    private readonly FakeTimeProvider _fake = new();
    private readonly WatchedTime _time;
    private readonly LazyTimer _timer;
    private int _due;

    // The system calls back in 100 ms, for a wait that was stopped, and what is waited for now is due in 30 s.
    public LazyTimerTests()
    {
        _time = new WatchedTime(_fake);
        _timer = new LazyTimer(_time, () => _due++);
        Set(TimeSpan.FromMilliseconds(100));
        Assert.True(_timer.TryStop());
        Set(TimeSpan.FromSeconds(30));
    }

    // Between the look at what is waited for and the word to the system's timer another call may stop it and set it for sooner.
    [Fact]
    public void Set_ForSoonerWhileItLooks_IsDueInTime()
    {
        _time.OnTimestamp = () =>
        {
            Assert.True(_timer.TryStop());
            Set(TimeSpan.FromMilliseconds(50));
        };

        _fake.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Null(_time.OnTimestamp);
        _fake.Advance(TimeSpan.FromMilliseconds(49));
        Assert.Equal(0, _due);
        _fake.Advance(TimeSpan.FromMilliseconds(2));
        Assert.Equal(1, _due);
        _fake.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(1, _due);
    }

    // The same right before the word is heard, so that it is the last, though what it says is over.
    [Fact]
    public void Set_ForSoonerAndStoppedWhileItSleepsOn_IsDueInTimeTheNextTime()
    {
        _time.OnChange = () =>
        {
            Assert.True(_timer.TryStop());
            Set(TimeSpan.FromMilliseconds(50));
            Assert.True(_timer.TryStop());
        };

        _fake.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Null(_time.OnChange);
        Set(TimeSpan.FromMilliseconds(60));
        _fake.Advance(TimeSpan.FromMilliseconds(59));
        Assert.Equal(0, _due);
        _fake.Advance(TimeSpan.FromMilliseconds(2));
        Assert.Equal(1, _due);
    }

    // The same the other way round: the word of whoever sets it is the last, though it looked meanwhile and sleeps on for less.
    [Fact]
    public async Task Set_ForLaterWhileItSleepsOn_IsDueInTimeTheNextTime()
    {
        using var isSetting = new ManualResetEventSlim();
        using var hasLooked = new ManualResetEventSlim();
        var setting = Task.CompletedTask;
        _time.OnTimestamp = () =>
        {
            _time.OnChange = () =>
            {
                isSetting.Set();
                hasLooked.Wait(Bound);
            };
            setting = Task.Run(() =>
            {
                _timer.TryStop();
                Set(TimeSpan.FromSeconds(60));
            });
            Assert.True(isSetting.Wait(Bound));
        };

        _fake.Advance(TimeSpan.FromMilliseconds(100));
        hasLooked.Set();
        await setting;
        Assert.True(_timer.TryStop());
        Set(TimeSpan.FromSeconds(40));
        _fake.Advance(TimeSpan.FromSeconds(39));
        Assert.Equal(0, _due);
        _fake.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(1, _due);
    }

    public void Dispose() => _timer.Discard();

    private void Set(TimeSpan delay) => _timer.Set(_fake.GetTimestamp(), delay);

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
