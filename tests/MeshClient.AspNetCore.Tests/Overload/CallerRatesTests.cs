using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Overload;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Overload;

public sealed class CallerRatesTests
{
    private static readonly MeshPeer Web = Peer("mesh.test", "web");
    private static readonly MeshPeer WebOfPartner = Peer("partner.test", "web", isForeign: true);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void TryTake_MemberOfAnotherTrustDomainWithTheSameName_HasABucketOfItsOwn()
    {
        var options = new MeshInboundOverloadOptions { CallerRateLimit = new() { PerSecond = 1, Burst = 2 } };
        options.CallerRateLimits["web"] = new() { Burst = 3 };
        using var rates = new CallerRates(options, _time);

        // The name's own limit is not the stranger's.
        Assert.Equal(2, Drain(rates, WebOfPartner));
        Assert.Equal(3, Drain(rates, Web));
    }

    [Fact]
    public void TryTake_OverItsOwnLimit_TakesNothingOfTheOthers()
    {
        using var rates = new CallerRates(
            new() { CallerRateLimit = new() { PerSecond = 1, Burst = 1 }, RateLimit = new() { PerSecond = 1, Burst = 3 } }, _time);

        Assert.Equal(1, Drain(rates, Web));
        Assert.Equal(1, Drain(rates, Peer("mesh.test", "batch")));
        Assert.True(rates.TryTake(Peer("mesh.test", "ops"), out _, out _));
        Assert.False(rates.TryTake(Peer("mesh.test", "late"), out var setting, out var retryAfter));
        Assert.Equal(("RateLimit", TimeSpan.FromSeconds(1)), (setting, retryAfter));
        Assert.False(rates.TryTake(Web, out setting, out _));
        Assert.Equal("CallerRateLimit", setting);
    }

    [Fact]
    public void TryTake_TimePasses_RefillsAtTheRate()
    {
        using var rates = new CallerRates(new() { CallerRateLimit = new() { PerSecond = 5, Burst = 10 } }, _time);
        Assert.Equal(10, Drain(rates, Web));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(5, Drain(rates, Web));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(10, Drain(rates, Web));
    }

    private static int Drain(CallerRates rates, MeshPeer peer)
    {
        var taken = 0;
        while (taken < 1000 && rates.TryTake(peer, out _, out _))
        {
            taken++;
        }

        return taken;
    }

    private static MeshPeer Peer(string trustDomain, string service, bool isForeign = false)
    {
        var id = SpiffeId.ForService(trustDomain, "dc1", ServiceName.Parse(service));
        Assert.True(id.TryGetService(out var named));
        return new MeshPeer(id, named, default, isForeign);
    }
}
