using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class HedgeTimerTests
{
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(20);
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Await_AnswerInTime_SaysSoAndTheTimerGoesOutByItself()
    {
        var timers = new Timers(_time);
        for (var i = 0; i < 3; i++)
        {
            var answer = new TaskCompletionSource<HttpResponseMessage>();
            var wait = timers.AwaitAsync(answer.Task, Delay);
            _time.Advance(Delay - TimeSpan.FromTicks(1));
            Assert.False(wait.IsCompleted);
            answer.SetResult(null!);
            Assert.False(await wait);
            Assert.InRange(_time.ActiveTimers, 0, 1);
            _time.Advance(Delay);
            Assert.Equal(0, _time.ActiveTimers);
        }
    }

    [Fact]
    public async Task Await_OneCallAfterTheOther_SetsTheTimerOncePerDelay()
    {
        var time = new CountingTimeProvider(_time);
        var timers = new Timers(time);
        for (var i = 0; i < 200; i++)
        {
            var answer = new TaskCompletionSource<HttpResponseMessage>();
            var wait = timers.AwaitAsync(answer.Task, Delay);
            _time.Advance(TimeSpan.FromMilliseconds(1));
            answer.SetResult(null!);
            Assert.False(await wait);
        }

        Assert.Equal(1, time.Timers);
        Assert.InRange(time.Changes, 200 / 20, 200 / 19 + 1);
    }

    [Fact]
    public async Task Await_NoAnswerInTime_SaysSoAndTheLateAnswerDisturbsNobody()
    {
        var timers = new Timers(_time);
        var late = new TaskCompletionSource<HttpResponseMessage>();
        var wait = timers.AwaitAsync(late.Task, Delay);
        _time.Advance(Delay);
        Assert.True(await wait);

        var next = timers.AwaitAsync(new TaskCompletionSource<HttpResponseMessage>().Task, Delay);
        late.SetResult(null!);
        Assert.False(next.IsCompleted);
        _time.Advance(Delay);
        Assert.True(await next);
    }

    [Fact]
    public async Task Await_TimerStillOnForALaterMoment_IsDueAtItsOwn()
    {
        var timers = new Timers(_time);
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        var wait = timers.AwaitAsync(answer.Task, Delay * 100);
        answer.SetResult(null!);
        Assert.False(await wait);

        var next = timers.AwaitAsync(new TaskCompletionSource<HttpResponseMessage>().Task, Delay);
        _time.Advance(Delay);
        Assert.True(await next);
    }

    [Fact]
    public async Task Await_TimerStillOnForAnEarlierMoment_IsDueAtItsOwn()
    {
        var timers = new Timers(_time);
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        var wait = timers.AwaitAsync(answer.Task, Delay);
        _time.Advance(Delay / 2);
        answer.SetResult(null!);
        Assert.False(await wait);

        var next = timers.AwaitAsync(new TaskCompletionSource<HttpResponseMessage>().Task, Delay);
        _time.Advance(Delay - TimeSpan.FromTicks(1));
        Assert.False(next.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(await next);
    }

    [Fact]
    public async Task Await_AnswerFailed_SaysAnswered()
    {
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        var wait = new Timers(_time).AwaitAsync(answer.Task, Delay);
        answer.SetException(new IOException());
        Assert.False(await wait);
    }

    [Fact]
    public async Task Await_ManyThreadsAndRealTimers_EachIsToldOfItsOwn()
    {
        var timers = new Timers(TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; i < 2000; i++)
            {
                // Most are answered at once; some race with their timer; a few are left to it.
                var answer = new TaskCompletionSource<HttpResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
                var delay = TimeSpan.FromMilliseconds(i % 20 == 0 ? 1 : 10_000);
                var wait = timers.AwaitAsync(answer.Task, delay);
                var isLeft = i % 40 == 0;
                if (!isLeft)
                {
                    answer.SetResult(null!);
                }

                var fired = await wait.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
                Assert.True(isLeft ? fired : !fired || delay < TimeSpan.FromSeconds(1));
            }
        })));
    }

    // Makes a task of what the pipeline is told: whether the moment came first.
    private sealed class Timers
    {
        private readonly TimeProvider _time;
        private readonly HedgeTimer.Pool _pool;
        private readonly System.Collections.Concurrent.ConcurrentDictionary<OutboundAttempt, TaskCompletionSource<bool>> _waiting = new();

        public Timers(TimeProvider time)
        {
            _time = time;
            _pool = new HedgeTimer.Pool(time, (attempt, _) => Tell(attempt, false), (attempt, _) => Tell(attempt, true));
        }

        public Task<bool> AwaitAsync(Task<HttpResponseMessage> sending, TimeSpan delay)
        {
            var attempt = new OutboundAttempt(null!, 1) { StartedAt = _time.GetTimestamp() };
            var told = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting[attempt] = told;
            _pool.Await(attempt, sending, delay);
            return told.Task;
        }

        private void Tell(OutboundAttempt attempt, bool isDue)
        {
            Assert.True(_waiting.TryRemove(attempt, out var told));
            told.SetResult(isDue);
        }
    }

    private sealed class CountingTimeProvider(FakeTimeProvider time) : TimeProvider
    {
        public int Timers { get; private set; }

        public int Changes { get; private set; }

        public override long TimestampFrequency => time.TimestampFrequency;

        public override long GetTimestamp() => time.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Timers++;
            return new Timer(this, time.CreateTimer(callback, state, dueTime, period));
        }

        private sealed class Timer(CountingTimeProvider owner, ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                owner.Changes++;
                return timer.Change(dueTime, period);
            }

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
