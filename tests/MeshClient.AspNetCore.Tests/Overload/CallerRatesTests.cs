using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Overload;
using MeshClient.AspNetCore.Peers;
using MeshClient.Core.Naming;
using MeshClient.Testing;

namespace MeshClient.AspNetCore.Tests.Overload;

public sealed class CallerRatesTests
{
    private const int NoLimit = 1000;

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
    public void TryTake_OtherTrustDomainMakesUpIds_TheyShareOneBucket()
    {
        using var rates = new CallerRates(new() { CallerRateLimit = new() { PerSecond = 1, Burst = 2 } }, _time);

        Assert.Equal(2, Enumerable.Range(0, 1000).Sum(i => Drain(rates, Peer("partner.test", $"made-up-{i}", isForeign: true))));
        Assert.Equal(2, Drain(rates, Peer("other.test", "web", isForeign: true)));
        Assert.Equal(2, Drain(rates, Peer("mesh.test", "partner.test")));
    }

    [Fact]
    public void TryTake_EntryForATrustDomain_LimitsAllItsMembersAndNobodyElse()
    {
        var options = new MeshInboundOverloadOptions();
        options.CallerRateLimits["partner"] = new() { Caller = "spiffe://Partner.test", PerSecond = 5 };
        using var rates = new CallerRates(options, _time);

        Assert.Equal(5, Drain(rates, WebOfPartner));
        Assert.False(rates.TryTake(Peer("partner.test", "batch", isForeign: true), out var setting, out _));
        Assert.Equal("CallerRateLimit", setting);
        Assert.Equal(NoLimit, Drain(rates, Web));
        Assert.Equal(NoLimit, Drain(rates, Peer("other.test", "web", isForeign: true)));
    }

    [Fact]
    public void TryTake_EntryForAnId_IsOfThatCallerAloneAndBeforeAllOthers()
    {
        var options = new MeshInboundOverloadOptions { CallerRateLimit = new() { PerSecond = 1, Burst = 2 } };
        options.CallerRateLimits["web"] = new() { Burst = 3 };
        options.CallerRateLimits["partner"] = new() { Caller = "spiffe://partner.test", Burst = 4 };
        options.CallerRateLimits["their-web"] = new() { Caller = WebOfPartner.Id.ToString(), Burst = 5 };
        options.CallerRateLimits["far-web"] = new() { Caller = Peer("mesh.test", "web", datacenter: "dc2").Id.ToString(), Burst = 6 };
        options.CallerRateLimits["nightly"] = new() { Caller = "batch", PerSecond = 0 };
        using var rates = new CallerRates(options, _time);

        Assert.Equal(5, Drain(rates, WebOfPartner));
        Assert.Equal(4, Drain(rates, Peer("partner.test", "web", isForeign: true, datacenter: "dc2")));
        Assert.Equal(3, Drain(rates, Web));
        Assert.Equal(6, Drain(rates, Peer("mesh.test", "web", datacenter: "dc2")));
        Assert.Equal(NoLimit, Drain(rates, Peer("mesh.test", "batch")));
        Assert.Equal(2, Drain(rates, Peer("mesh.test", "nightly")));
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
        while (taken < NoLimit && rates.TryTake(peer, out _, out _))
        {
            taken++;
        }

        return taken;
    }

    private static MeshPeer Peer(string trustDomain, string service, bool isForeign = false, string datacenter = "dc1")
    {
        var id = SpiffeId.ForService(trustDomain, datacenter, ServiceName.Parse(service));
        Assert.True(id.TryGetService(out var named));
        return new MeshPeer(id, named, default, isForeign);
    }
}
