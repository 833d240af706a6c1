using System.Collections.Concurrent;
using System.Threading.Channels;
using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.ControlPlane;

public sealed class WatchTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly LogCollector _logs = new();
    private readonly Source _source = new();
    private readonly ConcurrentQueue<string> _applied = new();
    private readonly List<IWatch> _ended = [];
    private readonly Watch<string> _watch;
    private Action<string> _changed;

    public WatchTests()
    {
        _changed = _applied.Enqueue;
        _watch = new Watch<string>(
            "instances", "orders", _source.ReadAsync, value => _changed(value), _ended.Add, _time, new MeshRandom(7), _logs.CreateLogger("watch"));
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _watch.DisposeAsync();

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task FirstAsync_Answer_IsInForceBeforeItIsSeen()
    {
        using var apply = new ManualResetEventSlim();
        var entered = new TaskCompletionSource();
        _changed = value =>
        {
            entered.SetResult();
            Assert.True(apply.Wait(TimeSpan.FromSeconds(10)));
            _applied.Enqueue(value);
        };
        _watch.Start();
        (await _source.NextAsync()).Answer("a", 1);
        await entered.Task.BoundedAsync();

        var first = _watch.FirstAsync(Token);
        Assert.False(first.IsCompleted);
        apply.Set();

        Assert.Equal("a", await first.BoundedAsync());
        Assert.Equal(["a"], _applied);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_AfterAnswer_CarriesItsIndexAndIsTheOnlyOne()
    {
        _watch.Start();
        var first = await _source.NextAsync();
        Assert.Equal(0UL, first.Index);
        first.Answer("a", 41);
        var second = await _source.NextAsync();
        Assert.Equal(41UL, second.Index);
        second.Answer("b", 42);
        Assert.Equal(42UL, (await _source.NextAsync()).Index);

        Assert.Equal(["a", "b"], _applied);
        Assert.Equal(1, _source.MostAtOnce);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_SameValueAgain_IsNotAppliedAgain()
    {
        _watch.Start();
        (await _source.NextAsync()).Answer("a", 1);
        (await _source.NextAsync()).Answer("a", 2);
        (await _source.NextAsync()).Answer("b", 3);
        await Eventually.HoldsAsync(() => _applied.Count == 2);
        Assert.Equal(["a", "b"], _applied);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_Failure_KeepsTheLastValueAndForgetsTheIndex()
    {
        _watch.Start();
        (await _source.NextAsync()).Answer("a", 41);
        (await _source.NextAsync()).Fail(new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone"));
        await _time.WaitForTimersAsync(1, cancellationToken: Token);

        Assert.Equal("a", _watch.Current);
        Assert.Equal("gone", _watch.LastFailure!.Message);
        Assert.Equal("a", await _watch.FirstAsync(Token));
        _time.Advance(_time.NextDueIn!.Value);
        var again = await _source.NextAsync();
        Assert.Equal(0UL, again.Index);
        again.Answer("a", 3);
        await _source.NextAsync();
        Assert.Null(_watch.LastFailure);
        Assert.Equal(["a"], _applied);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_FailureThenSuccess_LogsEachOnce()
    {
        _watch.Start();
        for (var i = 0; i < 5; i++)
        {
            await FailOnceAsync(new InvalidOperationException("broken"));
        }

        (await _source.NextAsync()).Answer("a", 1);
        await _source.NextAsync();
        Assert.Equal([1, 2], _logs.Lines.Select(line => line.Event.Id));
        Assert.Equal([LogLevel.Warning, LogLevel.Information], _logs.Lines.Select(line => line.Level));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_ManyFailures_PausesGrowToTenSecondsWithJitter()
    {
        _watch.Start();
        var pauses = new List<TimeSpan>();
        for (var i = 0; i < 40; i++)
        {
            pauses.Add(await FailOnceAsync(new ControlPlaneException(ControlPlaneFailure.Unavailable, "no leader")));
        }

        for (var i = 0; i < pauses.Count; i++)
        {
            var most = TimeSpan.FromMilliseconds(Math.Min(10_000, 100 * Math.Pow(2, i)));
            Assert.InRange(pauses[i], TimeSpan.Zero, most);
        }

        // Full jitter: the later pauses lie anywhere in the range, not all at one end of it.
        Assert.Contains(pauses[10..], pause => pause > TimeSpan.FromSeconds(7));
        Assert.Contains(pauses[10..], pause => pause < TimeSpan.FromSeconds(3));
        Assert.Equal(pauses.Count, pauses.Distinct().Count());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_SuccessAfterFailures_PausesStartAnew()
    {
        _watch.Start();
        for (var i = 0; i < 10; i++)
        {
            await FailOnceAsync(new InvalidOperationException());
        }

        (await _source.NextAsync()).Answer("a", 1);
        Assert.InRange(await FailOnceAsync(new InvalidOperationException()), TimeSpan.Zero, TimeSpan.FromMilliseconds(100));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(30, 30)]
    [InlineData(300, 300)]
    [InlineData(301, 300)]
    [InlineData(60L * 60 * 24 * 365 * 100, 300)]
    public async Task ReadAsync_ControlPlaneAskedForAPause_ItIsKeptWithinBounds(long askedSeconds, int expectedSeconds)
    {
        _watch.Start();
        var pause = await FailOnceAsync(
            new ControlPlaneException(ControlPlaneFailure.Unavailable, "slow down") { RetryAfter = TimeSpan.FromSeconds(askedSeconds) });
        Assert.Equal(TimeSpan.FromSeconds(expectedSeconds), pause);
        (await _source.NextAsync()).Answer("a", 1);
        Assert.Equal("a", await _watch.FirstAsync(Token).BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_SourceThatNeverWaits_IsReadFourTimesASecond()
    {
        _source.AnswerAtOnce = index => new Watched<string>("a", index + 1);
        _watch.Start();
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        await Eventually.HoldsAsync(() => _source.Reads == 3);
        for (var i = 0; i < 40; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(250));
            await _time.WaitForTimersAsync(1, cancellationToken: Token);
        }

        Assert.InRange(_source.Reads, 40, 44);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(ControlPlaneFailure.Forbidden)]
    [InlineData(ControlPlaneFailure.Rejected)]
    public async Task FirstAsync_Refusal_SurfacesAtOnce(ControlPlaneFailure failure)
    {
        _watch.Start();
        var first = _watch.FirstAsync(Token);
        (await _source.NextAsync()).Fail(new ControlPlaneException(failure, "no rights"));

        var refusal = await Assert.ThrowsAsync<ControlPlaneException>(first.BoundedAsync);
        Assert.Equal(failure, refusal.Failure);
        Assert.Equal("no rights", refusal.Message);

        // It is asked again all the same, and a later answer counts.
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        _time.Advance(_time.NextDueIn!.Value);
        (await _source.NextAsync()).Answer("a", 1);
        await _source.NextAsync();
        Assert.Equal("a", await _watch.FirstAsync(Token));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(ControlPlaneFailure.Unreachable)]
    [InlineData(ControlPlaneFailure.Unavailable)]
    [InlineData(ControlPlaneFailure.Malformed)]
    public async Task FirstAsync_FailureThatMayPass_GoesOnWaiting(ControlPlaneFailure failure)
    {
        _watch.Start();
        var first = _watch.FirstAsync(Token);
        await FailOnceAsync(new ControlPlaneException(failure, "later"));
        Assert.False(first.IsCompleted);
        (await _source.NextAsync()).Answer("a", 1);
        Assert.Equal("a", await first.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_ValueThatCannotBeApplied_IsAFailureAndIsTriedAgain()
    {
        var tries = 0;
        _changed = value =>
        {
            if (++tries == 1)
            {
                throw new InvalidOperationException("not now");
            }

            _applied.Enqueue(value);
        };
        _watch.Start();
        (await _source.NextAsync()).Answer("a", 1);
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        Assert.Null(_watch.Current);
        Assert.Null(_watch.Age);
        Assert.Equal("not now", _watch.LastFailure!.Message);
        _time.Advance(_time.NextDueIn!.Value);
        (await _source.NextAsync()).Answer("a", 1);
        Assert.Equal("a", await _watch.FirstAsync(Token).BoundedAsync());
        Assert.Equal(["a"], _applied);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_RememberedAnswer_IsInForceButTheReadHasFailed()
    {
        var failure = new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone");
        _watch.Start();
        (await _source.NextAsync()).Remember("old", TimeSpan.FromMinutes(3), failure);

        Assert.Equal("old", await _watch.FirstAsync(Token).BoundedAsync());
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        Assert.Same(failure, _watch.LastFailure);
        Assert.Equal(TimeSpan.FromMinutes(3), _watch.Age);
        Assert.Single(_logs.Lines);

        _time.Advance(TimeSpan.FromSeconds(1));
        var next = await _source.NextAsync();
        Assert.Equal(0UL, next.Index);
        next.Answer("new", 5);
        await Eventually.HoldsAsync(() => _watch.Current == "new");
        await Eventually.HoldsAsync(() => _watch.LastFailure is null);
        Assert.Equal(["old", "new"], _applied);
        Assert.Equal(TimeSpan.Zero, _watch.Age);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_RememberedAnswerAfterATrueOne_ChangesNothing()
    {
        _watch.Start();
        (await _source.NextAsync()).Answer("new", 5);
        (await _source.NextAsync()).Remember("old", TimeSpan.FromMinutes(3), new ControlPlaneException(ControlPlaneFailure.Unreachable, "gone"));
        await _time.WaitForTimersAsync(1, cancellationToken: Token);

        Assert.Equal("new", _watch.Current);
        Assert.Equal(["new"], _applied);
        Assert.Equal(TimeSpan.Zero, _watch.Age);
        Assert.NotNull(_watch.LastFailure);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Age_SinceLastConfirmation_GrowsThroughFailures()
    {
        _watch.Start();
        Assert.Null(_watch.Age);
        (await _source.NextAsync()).Answer("a", 1);
        var second = await _source.NextAsync();
        _time.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal(TimeSpan.FromMinutes(3), _watch.Age);
        second.Answer("a", 1);
        var third = await _source.NextAsync();
        Assert.Equal(TimeSpan.Zero, _watch.Age);
        third.Fail(new InvalidOperationException());
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(TimeSpan.FromMinutes(1), _watch.Age);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task DisposeAsync_ReadInProgress_IsCancelledAndTheEndIsTold()
    {
        _watch.Start();
        var read = await _source.NextAsync();
        await _watch.DisposeAsync().AsTask().BoundedAsync();
        Assert.True(read.WasCancelled);
        Assert.Equal([_watch], _ended);
        Assert.Empty(_logs.Lines);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task DisposeAsync_DuringAPause_EndsIt()
    {
        _watch.Start();
        (await _source.NextAsync()).Fail(new InvalidOperationException());
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        await _watch.DisposeAsync().AsTask().BoundedAsync();
        Assert.Equal(0, _time.ActiveTimers);
        Assert.Equal(1, _source.Reads);
    }

    private async Task<TimeSpan> FailOnceAsync(Exception failure)
    {
        (await _source.NextAsync()).Fail(failure);
        await _time.WaitForTimersAsync(1, cancellationToken: Token);
        var pause = _time.NextDueIn!.Value;
        _time.Advance(pause);
        return pause;
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_EqualValueAgain_IsDisposedAndTheOneInForceIsNot()
    {
        var (first, again, other) = (new Owned(1), new Owned(1), new Owned(2));
        var answers = new Queue<Owned>([first, again, first, other]);
        await using var watch = new Watch<Owned>(
            "leaf",
            "orders",
            (index, stop) => answers.TryDequeue(out var next)
                ? Task.FromResult(new Watched<Owned>(next, index + 1))
                : new TaskCompletionSource<Watched<Owned>>().Task.WaitAsync(stop),
            _ => { },
            _ => { },
            _time,
            new MeshRandom(7),
            _logs.CreateLogger("watch"));
        watch.Start();
        await Eventually.HoldsAsync(() =>
        {
            _time.Advance(TimeSpan.FromMilliseconds(250));
            return watch.Current == other;
        });
        Assert.Equal((false, true, false), (first.IsDisposed, again.IsDisposed, other.IsDisposed));
    }

    private sealed record Owned(int Value) : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public bool Equals(Owned? other) => other?.Value == Value;

        public override int GetHashCode() => Value;

        public void Dispose() => IsDisposed = true;
    }

    private sealed class Source
    {
        private readonly Channel<Read> _reads = Channel.CreateUnbounded<Read>();
        private int _now;

        public int Reads { get; private set; }

        public int MostAtOnce { get; private set; }

        public Func<ulong, Watched<string>>? AnswerAtOnce { get; set; }

        public async Task<Watched<string>> ReadAsync(ulong index, CancellationToken cancellationToken)
        {
            Reads++;
            if (AnswerAtOnce is { } answer)
            {
                return answer(index);
            }

            MostAtOnce = Math.Max(MostAtOnce, Interlocked.Increment(ref _now));
            var read = new Read(index);
            using var registration = cancellationToken.Register(() => read.Cancel(cancellationToken));
            _reads.Writer.TryWrite(read);
            try
            {
                return await read.Task;
            }
            finally
            {
                Interlocked.Decrement(ref _now);
            }
        }

        public Task<Read> NextAsync() => _reads.Reader.ReadAsync(Token).AsTask().BoundedAsync();
    }

    private sealed class Read(ulong index)
    {
        private readonly TaskCompletionSource<Watched<string>> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ulong Index { get; } = index;

        public bool WasCancelled { get; private set; }

        public Task<Watched<string>> Task => _answer.Task;

        public void Answer(string value, ulong index) => _answer.SetResult(new Watched<string>(value, index));

        public void Remember(string value, TimeSpan age, Exception failure) =>
            _answer.SetResult(new Watched<string>(value, 0) { Remembered = new RememberedAnswer(age, failure) });

        public void Fail(Exception failure) => _answer.SetException(failure);

        public void Cancel(CancellationToken token)
        {
            WasCancelled = true;
            _answer.TrySetCanceled(token);
        }
    }
}
