using MeshClient.Server.CertificateAuthority;
using MeshClient.Testing;

namespace MeshClient.Server.Tests.CertificateAuthority;

public sealed class SigningLimitTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 21, 3, 0, 0, TimeSpan.Zero));

    [Fact]
    public void Take_BeyondTheNumberAtATime_IsRefusedUntilOneIsDone()
    {
        var limit = new SigningLimit(_time);
        var first = limit.Take(1, concurrent: 2);
        using var second = limit.Take(1, concurrent: 2);
        var refused = Assert.Throws<RequestRefusedException>(() => limit.Take(1, concurrent: 2));
        Assert.Equal((429, "Rate limit reached, try again later"), (refused.StatusCode, refused.Message));
        first.Dispose();
        using var third = limit.Take(1, concurrent: 2);
    }

    [Fact]
    public void Take_BeyondTheNumberInASecond_IsRefusedUntilTimeHasPassed()
    {
        var limit = new SigningLimit(_time);
        limit.Take(2, concurrent: 0).Dispose();
        limit.Take(2, concurrent: 0).Dispose();
        Assert.Throws<RequestRefusedException>(() => limit.Take(2, concurrent: 0));
        _time.Advance(TimeSpan.FromSeconds(0.5));
        limit.Take(2, concurrent: 0).Dispose();
        Assert.Throws<RequestRefusedException>(() => limit.Take(2, concurrent: 0));
    }

    [Fact]
    public void Take_AtLessThanOneInASecond_WorksNow()
    {
        var limit = new SigningLimit(_time);
        limit.Take(0.1, concurrent: 0).Dispose();
        Assert.Throws<RequestRefusedException>(() => limit.Take(0.1, concurrent: 0));
        _time.Advance(TimeSpan.FromSeconds(10));
        limit.Take(0.1, concurrent: 0).Dispose();
    }

    [Fact]
    public void Take_WithoutLimits_IsNeverRefused()
    {
        var limit = new SigningLimit(_time);
        for (var i = 0; i < 5000; i++)
        {
            limit.Take(0, concurrent: 0);
        }
    }
}
