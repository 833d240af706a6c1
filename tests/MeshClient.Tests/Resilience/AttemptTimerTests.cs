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
}
