using MeshClient.Telemetry;
using MeshClient.Testing;

namespace MeshClient.Tests.Telemetry;

public sealed class LogLimiterTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void TryEnter_SameKindWithinInterval_IsCountedInstead()
    {
        var limiter = new LogLimiter<string>(_clock);

        Assert.True(limiter.TryEnter("a", out var first));
        Assert.False(limiter.TryEnter("a", out _));
        Assert.False(limiter.TryEnter("a", out _));
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.True(limiter.TryEnter("a", out var second));

        Assert.Equal((0, 2), (first, second));
    }

    [Fact]
    public void TryEnter_AnotherKind_IsNotHeldBack()
    {
        var limiter = new LogLimiter<string>(_clock);
        limiter.TryEnter("a", out _);

        Assert.True(limiter.TryEnter("b", out _));
    }
}
