using MeshClient.Server.State;
using MeshClient.Server.Tests.Support;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.State;

public sealed class WatchHubTests
{
    private readonly WatchHub _hub = new();
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WaitAsync_WhenATopicIsTouched_EndsWithChanged()
    {
        using var watch = _hub.Begin([Topic.Service("web"), Topic.Nodes]);
        var wait = watch.WaitAsync(TimeSpan.FromMinutes(1), _time, Cancellation);
        _hub.Wake([Topic.Service("WEB")]);
        Assert.Equal(WatchOutcome.Changed, await wait.WaitAsync(TestServer.Limit, Cancellation));
    }

    [Fact]
    public async Task WaitAsync_WhenTouchedBetweenBeginAndWait_EndsAtOnce()
    {
        using var watch = _hub.Begin([Topic.Roots]);
        _hub.Wake([Topic.Roots]);
        Assert.Equal(WatchOutcome.Changed, await watch.WaitAsync(TimeSpan.FromMinutes(1), _time, Cancellation).WaitAsync(TestServer.Limit, Cancellation));
        Assert.Equal(0, _time.ActiveTimers);
    }

    [Fact]
    public async Task WaitAsync_WhenOtherTopicsAreTouched_GoesOnUntilItsEnd()
    {
        using var watch = _hub.Begin([Topic.Service("web")]);
        var wait = watch.WaitAsync(TimeSpan.FromMinutes(1), _time, Cancellation);
        _hub.Wake([Topic.Service("orders"), Topic.Connect("web"), Topic.Leaf("web"), Topic.Services]);
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(wait.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(WatchOutcome.TimedOut, await wait.WaitAsync(TestServer.Limit, Cancellation));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("a", true)]
    [InlineData("a/b", true)]
    [InlineData("a/b/", true)]
    [InlineData("a/b/c", true)]
    [InlineData("a/b/c/", false)]
    [InlineData("b", false)]
    [InlineData("a/c", false)]
    public async Task WaitAsync_OnAPrefix_EndsForAKeyThatBeginsWithIt(string prefix, bool wakes)
    {
        using var longer = _hub.Begin([Topic.KeyPrefix(prefix + "zz")]);
        using var watch = _hub.Begin([Topic.KeyPrefix(prefix)]);
        using (_hub.Begin([Topic.KeyPrefix(prefix)]))
        {
            // Its end must not take the other one's along.
        }

        _hub.Wake([Topic.Key("a/b/c")]);
        Assert.Equal(
            wakes ? WatchOutcome.Changed : WatchOutcome.TimedOut,
            await watch.WaitAsync(TimeSpan.Zero, _time, Cancellation).WaitAsync(TestServer.Limit, Cancellation));
        Assert.Equal(WatchOutcome.TimedOut, await longer.WaitAsync(TimeSpan.Zero, _time, Cancellation).WaitAsync(TestServer.Limit, Cancellation));
    }

    [Fact]
    public async Task WaitAsync_ASecondTime_WaitsForTheNextChange()
    {
        using var watch = _hub.Begin([Topic.Checks]);
        _hub.Wake([Topic.Checks]);
        await watch.WaitAsync(TimeSpan.FromMinutes(1), _time, Cancellation).WaitAsync(TestServer.Limit, Cancellation);
        var second = watch.WaitAsync(TimeSpan.FromMinutes(1), _time, Cancellation);
        Assert.False(second.IsCompleted);
        _hub.Wake([Topic.Checks]);
        Assert.Equal(WatchOutcome.Changed, await second.WaitAsync(TestServer.Limit, Cancellation));
    }

    [Fact]
    public async Task WaitAsync_WhenTheCallerGoes_EndsWithAbandoned()
    {
        using var caller = new CancellationTokenSource();
        using var watch = _hub.Begin([Topic.Checks]);
        var wait = watch.WaitAsync(TimeSpan.FromMinutes(1), _time, caller.Token);
        await caller.CancelAsync();
        Assert.Equal(WatchOutcome.Abandoned, await wait.WaitAsync(TestServer.Limit, Cancellation));
    }

    [Fact]
    public async Task Close_OfTheHub_EndsAllWaitsAndLetsNoneBegin()
    {
        using var before = _hub.Begin([Topic.Checks]);
        var wait = before.WaitAsync(TimeSpan.FromMinutes(1), _time, Cancellation);
        _hub.Close();
        Assert.Equal(WatchOutcome.Closed, await wait.WaitAsync(TestServer.Limit, Cancellation));
        using var after = _hub.Begin([Topic.Checks]);
        Assert.True(after.IsClosed);
        Assert.Equal(WatchOutcome.Closed, await after.WaitAsync(TimeSpan.FromMinutes(1), _time, Cancellation).WaitAsync(TestServer.Limit, Cancellation));
    }

    [Fact]
    public void Dispose_OfAWatch_LeavesNothingBehind()
    {
        using (_hub.Begin([Topic.Checks, Topic.Nodes]))
        {
            Assert.Equal(1, _hub.Count);
        }

        Assert.Equal(0, _hub.Count);
    }

    [Fact]
    public async Task Wake_RacingWithWaits_LosesNoChange()
    {
        // A counter is the state: whoever waits must see its last value, however the wakes fall between reads and waits.
        const int last = 20_000;
        var value = 0;
        var writer = Task.Run(
            () =>
            {
                for (var i = 1; i <= last; i++)
                {
                    Volatile.Write(ref value, i);
                    _hub.Wake([Topic.Checks]);
                }
            },
            Cancellation);
        using var watch = _hub.Begin([Topic.Checks]);
        while (Volatile.Read(ref value) < last)
        {
            await watch.WaitAsync(TimeSpan.FromHours(1), TimeProvider.System, Cancellation).WaitAsync(TestServer.Limit, Cancellation);
        }

        await writer;
    }
}
