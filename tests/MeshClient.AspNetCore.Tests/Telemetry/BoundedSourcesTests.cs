using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Overload;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Telemetry;

/// <summary>Trust domains that make up more and more ids do not flood what is kept and told by caller.</summary>
public sealed class BoundedSourcesTests
{
    private const string Partner = "partner.example";
    private const int ShedLine = 120;

    [Fact]
    public void Of_AnotherTrustDomainMakesUpIds_ThoseBeyondTheBoundGoByTheirDomain()
    {
        var sources = new BoundedSources();

        for (var i = 0; i < BoundedSources.MaxForeign; i++)
        {
            Assert.Equal($"spiffe://{Partner}/ns/default/dc/dc1/svc/made-up-{i}", sources.Of(Peer($"made-up-{i}", Partner)));
        }

        Assert.Equal($"spiffe://{Partner}", sources.Of(Peer("one-more", Partner)));
        Assert.Equal("spiffe://partner.example/ns/default/dc/dc1/svc/made-up-7", sources.Of(Peer("made-up-7", Partner)));
        // Nor do they take anything from the next domain.
        Assert.Equal("spiffe://another.example/ns/default/dc/dc1/svc/web", sources.Of(Peer("web", "another.example")));
    }

    [Fact]
    public void Of_AnotherTrustDomainMakesUpIds_OurServicesKeepTheirNames()
    {
        var sources = new BoundedSources();
        for (var i = 0; i < 2000; i++)
        {
            sources.Of(Peer($"made-up-{i}", Partner));
        }

        Assert.Equal("web", sources.Of(Peer("web")));
        Assert.Equal("(none)", sources.Of(null));
    }

    [Fact]
    public async Task Decided_AnotherTrustDomainMakesUpIds_SeriesAreBoundedAndOursAreThere()
    {
        await using var host = InboundTestHost.Create();
        var metrics = host.Metrics;
        var inbound = host.Services.GetRequiredService<InboundMetrics>();
        for (var i = 0; i < 2000; i++)
        {
            inbound.Decided(Peer($"made-up-{i}", Partner), InboundRules.WithoutIntentions);
        }

        inbound.Decided(Peer("web"), InboundRules.WithoutIntentions);

        var counted = metrics.Of("meshclient.inbound.requests").Select(one => (string)one.Tags[InboundMetrics.SourceTag]!).ToList();
        Assert.Equal(BoundedSources.MaxForeign + 2, counted.Distinct().Count());
        Assert.Equal("web", counted[^1]);
    }

    [Fact]
    public async Task Shed_AnotherTrustDomainMakesUpIds_LogAndSeriesAreBounded()
    {
        await using var host = InboundTestHost.Create();
        var metrics = host.Metrics;
        var writer = host.Services.GetRequiredService<ShedWriter>();
        var guard = host.Services.GetRequiredService<EndpointGuard>();
        foreach (var peer in Enumerable.Range(0, 1500).Select(i => Peer($"made-up-{i}", Partner)).Append(Peer("web")))
        {
            var request = new InboundRequest(new RequestOrigin(peer, guard));
            await writer.WriteAsync(new DefaultHttpContext(), request, new Shed(ShedReason.Rate, "CallerRateLimit", null, null));
        }

        Assert.Equal(BoundedSources.MaxForeign + 2, host.Logs.Of(ShedLine).Count());
        var counted = metrics.Of("meshclient.inbound.shed").Select(one => (string)one.Tags[InboundMetrics.SourceTag]!).ToList();
        Assert.Equal(BoundedSources.MaxForeign + 2, counted.Distinct().Count());
        Assert.Equal("web", counted[^1]);
    }

    private static MeshPeer Peer(string service, string? foreignDomain = null)
    {
        var id = SpiffeId.ForService(foreignDomain ?? TestCertificateAuthority.DefaultTrustDomain, "dc1", ServiceName.Parse(service));
        Assert.True(id.TryGetService(out var named));
        return new MeshPeer(id, named, default, isForeign: foreignDomain is not null);
    }
}
