using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class MeshDeadlineTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Begin_Deadline_IsInForceUntilDisposed()
    {
        Assert.Null(MeshDeadline.Current);
        using (var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(2), _time))
        {
            Assert.Same(deadline, MeshDeadline.Current);
            Assert.Equal(TimeSpan.FromSeconds(2), deadline.Remaining);
            _time.Advance(TimeSpan.FromSeconds(1.5));
            Assert.Equal(TimeSpan.FromSeconds(0.5), deadline.Remaining);
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(TimeSpan.Zero, deadline.Remaining);
        }

        Assert.Null(MeshDeadline.Current);
    }

    [Theory]
    [InlineData(10, 3, 3)]
    [InlineData(3, 10, 3)]
    public void Begin_Nested_TheEarlierCounts(int outerSeconds, int innerSeconds, int expected)
    {
        using var outer = MeshDeadline.Begin(TimeSpan.FromSeconds(outerSeconds), _time);
        using (MeshDeadline.Begin(TimeSpan.FromSeconds(innerSeconds), _time))
        {
            Assert.Equal(TimeSpan.FromSeconds(expected), MeshDeadline.Current!.Remaining);
        }

        Assert.Same(outer, MeshDeadline.Current);
    }

    [Fact]
    public void Begin_ZeroOrLess_HasPassed()
    {
        using var zero = MeshDeadline.Begin(TimeSpan.Zero, _time);
        Assert.Equal(TimeSpan.Zero, zero.Remaining);
        using var negative = MeshDeadline.Begin(TimeSpan.MinValue, _time);
        Assert.Equal(TimeSpan.Zero, negative.Remaining);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(TimeSpan.Zero, negative.Remaining);
    }

    [Fact]
    public void Begin_LongestSpan_IsFarAwayNotPassed()
    {
        using var deadline = MeshDeadline.Begin(TimeSpan.MaxValue, _time);
        Assert.InRange(deadline.Remaining, TimeSpan.FromDays(300), TimeSpan.MaxValue);
    }

    [Fact]
    public async Task Current_InWhatIsLeftRunning_IsTheOneAroundItOnceItsOwnIsDisposed()
    {
        using var outer = MeshDeadline.Begin(TimeSpan.FromSeconds(9), _time);
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task left;
        using (var request = MeshDeadline.Begin(TimeSpan.FromSeconds(1), _time))
        {
            left = LeaveRunningAsync(request);
        }

        over.SetResult();
        await left;

        async Task LeaveRunningAsync(MeshDeadline request)
        {
            Assert.Same(request, MeshDeadline.Current);
            await over.Task;
            Assert.Same(outer, MeshDeadline.Current);
            using var own = MeshDeadline.Begin(TimeSpan.FromSeconds(5), _time);
            Assert.Equal(TimeSpan.FromSeconds(5), own.Remaining);
        }
    }

    [Fact]
    public async Task Current_AcrossAwaits_FlowsDownAndNotUp()
    {
        using var outer = MeshDeadline.Begin(TimeSpan.FromSeconds(9), _time);
        await Task.Run(() =>
        {
            Assert.Same(outer, MeshDeadline.Current);
            _ = MeshDeadline.Begin(TimeSpan.FromSeconds(1), _time);
        }, TestContext.Current.CancellationToken);
        Assert.Same(outer, MeshDeadline.Current);
        await BeginInsideAsync();
        Assert.Same(outer, MeshDeadline.Current);

        async Task BeginInsideAsync()
        {
            _ = MeshDeadline.Begin(TimeSpan.FromSeconds(1), _time);
            await Task.Yield();
            Assert.NotSame(outer, MeshDeadline.Current);
        }
    }
}
