using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class HedgeTimerTests
{
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(20);
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task FiresFirstAsync_AnswerInTime_SaysNoAndLeavesNoTimerOn()
    {
        var pool = new HedgeTimer.Pool(_time);
        for (var i = 0; i < 3; i++)
        {
            var answer = new TaskCompletionSource();
            var wait = pool.FiresFirstAsync(answer.Task, Delay);
            _time.Advance(Delay - TimeSpan.FromTicks(1));
            Assert.False(wait.IsCompleted);
            answer.SetResult();
            Assert.False(await wait);
            Assert.Equal(0, _time.ActiveTimers);
            _time.Advance(Delay);
        }
    }

    [Fact]
    public async Task FiresFirstAsync_NoAnswerInTime_SaysSoAndTheLateAnswerDisturbsNobody()
    {
        var pool = new HedgeTimer.Pool(_time);
        var late = new TaskCompletionSource();
        var wait = pool.FiresFirstAsync(late.Task, Delay);
        _time.Advance(Delay);
        Assert.True(await wait);

        var next = pool.FiresFirstAsync(new TaskCompletionSource().Task, Delay);
        late.SetResult();
        Assert.False(next.IsCompleted);
        _time.Advance(Delay);
        Assert.True(await next);
    }

    [Fact]
    public async Task FiresFirstAsync_AnswerFailed_SaysNo()
    {
        var answer = new TaskCompletionSource();
        var wait = new HedgeTimer.Pool(_time).FiresFirstAsync(answer.Task, Delay);
        answer.SetException(new IOException());
        Assert.False(await wait);
    }

    [Fact]
    public async Task FiresFirstAsync_ManyThreadsAndRealTimers_EachIsToldOfItsOwn()
    {
        var pool = new HedgeTimer.Pool(TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; i < 2000; i++)
            {
                // Most are answered at once; some race with their timer; a few are left to it.
                var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                var delay = TimeSpan.FromMilliseconds(i % 20 == 0 ? 1 : 10_000);
                var wait = pool.FiresFirstAsync(answer.Task, delay).AsTask();
                var isLeft = i % 40 == 0;
                if (!isLeft)
                {
                    answer.SetResult();
                }

                var fired = await wait.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
                Assert.True(isLeft ? fired : !fired || delay < TimeSpan.FromSeconds(1));
            }
        })));
    }
}
