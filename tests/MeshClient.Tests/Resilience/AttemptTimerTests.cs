using MeshClient.Resilience;
using MeshClient.Testing;

namespace MeshClient.Tests.Resilience;

public sealed class AttemptTimerTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Spend_ContentOfTheAppThrows_IsCancelledAllTheSame()
    {
        using var timer = new AttemptTimer(_time);
        var isSeen = false;
        timer.Token.Register(() => isSeen = true);
        timer.Token.Register(() => throw new InvalidOperationException("The app's own."));

        timer.Spend();

        Assert.True(isSeen);
    }

    [Fact]
    public void CancelAfter_ContentOfTheAppThrows_DoesNotEndTheTimersThread()
    {
        using var timer = new AttemptTimer(_time);
        timer.Token.Register(() => throw new InvalidOperationException("The app's own."));
        timer.CancelAfter(_time.GetTimestamp(), TimeSpan.FromSeconds(1));

        _time.Advance(TimeSpan.FromSeconds(2));

        Assert.True(timer.IsCancellationRequested);
    }

    [Fact]
    public void Follow_ContentOfTheAppThrows_DoesNotReachWhoeverCancels()
    {
        using var app = new CancellationTokenSource();
        using var timer = new AttemptTimer(_time);
        timer.Token.Register(() => throw new InvalidOperationException("The app's own."));
        timer.Follow(app.Token);

        app.Cancel();

        Assert.True(timer.IsCancellationRequested);
    }

    [Fact]
    public void Spend_WithALimit_SetsNoTimerAnyMore()
    {
        using var timer = new AttemptTimer(_time);
        timer.CancelAfter(_time.GetTimestamp(), TimeSpan.FromSeconds(1));
        Assert.Equal(1, _time.ActiveTimers);

        timer.Spend();

        Assert.Equal(0, _time.ActiveTimers);
        Assert.True(timer.IsCancellationRequested);
    }
}
