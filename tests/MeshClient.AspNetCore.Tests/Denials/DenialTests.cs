using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.Sockets;
using MeshClient.AspNetCore.Denials;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Telemetry;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Naming;
using MeshClient.Testing;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Denials;

/// <summary>Who is told of a refused call, and what.</summary>
public sealed class DenialTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Denial_OfARequest_IsToldOnceWithAllThatIsNoSecret()
    {
        var observer = new Recorder();
        await using var host = await StartAsync(observer);
        using var client = host.CallerFrom("web");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/orders/7?token=hidden") { Content = new StringContent("hidden") };
        request.Headers.Add("Authorization", "Bearer hidden");

        using var response = await client.SendAsync(request, Token);
        await Eventually.HoldsAsync(() => !observer.Told.IsEmpty);

        var denial = Assert.Single(observer.Told);
        Assert.Equal(MeshDenialStage.Request, denial.Stage);
        Assert.Equal(host.ControlPlane.Authority.IdOf(InboundTestHost.Web), denial.Source);
        Assert.Equal(InboundTestHost.Orders, denial.Destination);
        Assert.Equal(("POST", "/orders/7", "default", false), (denial.Method, denial.Path, denial.Rule, denial.IsShadow));
        Assert.NotNull(denial.Remote);
        Assert.NotEqual(default, denial.At);
        Assert.DoesNotContain("hidden", denial.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(host.Logs.Of(101), line => line.Text.Contains("hidden", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Denial_ManyTimes_IsLoggedOncePerRuleAndCountedAndToldEachTime()
    {
        const int Calls = 300;
        var observer = new Recorder();
        await using var host = await StartAsync(StandStill, observer);
        _ = host.Metrics;
        using var client = host.CallerFrom("web");

        for (var i = 0; i < Calls; i++)
        {
            using var response = await client.GetAsync($"/orders/{i}", Token);
        }

        await Eventually.HoldsAsync(() => observer.Told.Count == Calls);
        Assert.Single(host.Logs.Of(101));
        var counted = host.Metrics.Of("meshclient.inbound.denials");
        Assert.Equal(Calls, counted.Sum(one => one.Value));
        var tags = Assert.Single(counted.Select(one => string.Join(' ', one.Tags.OrderBy(tag => tag.Key).Select(tag => tag.Value))).Distinct());
        Assert.Equal("orders denied default web request", tags);
    }

    [Fact]
    public async Task Denial_WithObserversThatThrowOrStall_IsToldToTheOthersAndHurtsNobody()
    {
        var (thrower, staller, observer) = (new Thrower(), new Staller(), new Recorder());
        await using var host = await StartAsync(StandStill, thrower, staller, observer);
        _ = host.Metrics;
        using var client = host.CallerFrom("web");

        var calls = MeshDenialDefaults.QueueLength + 50;
        for (var i = 0; i < calls; i++)
        {
            using var response = await client.GetAsync("/hello", Token);
            Assert.Equal(403, (int)response.StatusCode);
        }

        await Eventually.HoldsAsync(() => observer.Told.Count == calls && thrower.Asked == calls);
        Assert.Equal(1, staller.Asked);
        Assert.InRange(host.Metrics.Of("meshclient.inbound.denials.lost").Sum(one => one.Value), 1, 50);
        Assert.Contains("The denial observer Thrower failed", Assert.Single(host.Logs.Of(133)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Denial_OfAHandshake_IsToldWithItsReason()
    {
        var observer = new Recorder();
        await using var host = await StartAsync(observer);
        using var strangers = new TestCertificateAuthority("strangers.example");
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", host.MeshPort, Token);
        await using var tls = new SslStream(socket.GetStream());
        var options = MeshCaller.TlsOptions(
            host.ControlPlane.Authority.Bundle, MeshCaller.ContextOf(strangers.IssueLeaf(InboundTestHost.Web)));

        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await tls.AuthenticateAsClientAsync(options, Token).Bounded();
            // With TLS 1.3 the refusal comes after the client's own handshake.
            Assert.NotEqual(0, await tls.ReadAsync(new byte[1], Token).AsTask().Bounded());
        });
        await Eventually.HoldsAsync(() => !observer.Told.IsEmpty);

        var denial = Assert.Single(observer.Told);
        Assert.Equal((MeshDenialStage.Handshake, "handshake:untrusted"), (denial.Stage, denial.Rule));
        Assert.Null(denial.Source);
        Assert.Null(denial.Path);
        // The log is written after observers have been told.
        await Eventually.HoldsAsync(() => host.Logs.Of(103).Count() == 1);
        Assert.Empty(host.Logs.Of(101));
    }

    [Fact]
    public async Task Denial_WithoutPeer_IsToldWithoutSource()
    {
        var observer = new Recorder();
        await using var host = await StartAsync(builder => builder.WebHost.UseUrls("http://127.0.0.1:0"), observer);
        using var outsider = new HttpClient { BaseAddress = host.PlainAddresses.Single() };

        using var response = await outsider.GetAsync("/hello", Token);
        await Eventually.HoldsAsync(() => !observer.Told.IsEmpty);

        Assert.Equal((null, "no-peer"), (Assert.Single(observer.Told).Source, observer.Told.Single().Rule));
    }

    [Fact]
    public async Task Denial_OfARawConnection_IsLoggedCountedAndTold()
    {
        var observer = new Recorder();
        await using var host = await StartAsync(observer);
        _ = host.Metrics;
        var id = host.ControlPlane.Authority.IdOf(InboundTestHost.Web);
        Assert.True(id.TryGetService(out var service));
        var reporter = host.Services.GetRequiredService<DenialReporter>();

        reporter.Connection(new MeshPeer(id, service, default), null, "web->orders", "No.", isShadow: false, wasOpen: false);
        reporter.Connection(new MeshPeer(id, service, default), null, "web->orders", "No.", isShadow: false, wasOpen: true);
        reporter.Connection(new MeshPeer(id, service, default), null, "web->orders", "No.", isShadow: true, wasOpen: false);

        await Eventually.HoldsAsync(() => observer.Told.Count == 3);
        Assert.Equal(
            [MeshDenialStage.Connection, MeshDenialStage.OpenConnection, MeshDenialStage.Connection], observer.Told.Select(one => one.Stage));
        Assert.Equal(2, host.Logs.Of(132).Count());
        Assert.Single(host.Logs.Of(134));
        Assert.Equal(
            ["connection denied", "open-connection denied", "connection shadow"],
            host.Metrics.Of("meshclient.inbound.denials").Select(one => $"{one.Tags["meshclient.stage"]} {one.Tags["meshclient.outcome"]}"));
    }

    [Fact]
    public async Task Metrics_OfMoreCallersThanTheBound_CallTheRestOther()
    {
        await using var host = await StartAsync();
        var metrics = host.Metrics;
        var inbound = host.Services.GetRequiredService<InboundMetrics>();
        for (var i = 0; i < 2000; i++)
        {
            inbound.Decided(Peer($"caller-{i}"), InboundVerdict.Denied(new InboundRule($"rule-{i}", "It denies."), isTried: false));
        }

        var counted = metrics.Of("meshclient.inbound.requests");

        Assert.InRange(counted.Select(one => one.Tags[InboundMetrics.SourceTag]).Distinct().Count(), 2, 1001);
        Assert.InRange(counted.Select(one => one.Tags[InboundMetrics.RuleTag]).Distinct().Count(), 2, 1001);
        Assert.Equal(BoundedNames.Other, counted[^1].Tags[InboundMetrics.SourceTag]);
    }

    [Fact]
    public void BoundedNames_BeyondTheBound_AreCalledOther()
    {
        var names = new BoundedNames();

        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal($"rule-{i}", names.Of($"rule-{i}"));
        }

        Assert.Equal(BoundedNames.Other, names.Of("one-more"));
        Assert.Equal("rule-7", names.Of("rule-7"));
    }

    private static MeshPeer Peer(string service)
    {
        var id = SpiffeId.ForService(TestCertificateAuthority.DefaultTrustDomain, "dc1", ServiceName.Parse(service));
        Assert.True(id.TryGetService(out var named));
        return new MeshPeer(id, named, default);
    }

    // Lines are one in 10 s, and calls may take longer than that.
    private static void StandStill(WebApplicationBuilder builder) => builder.Services.AddSingleton<TimeProvider>(new StillClock());

    private static Task<InboundTestHost> StartAsync(params IMeshDenialObserver[] observers) => StartAsync(_ => { }, observers);

    private static Task<InboundTestHost> StartAsync(Action<WebApplicationBuilder> build, params IMeshDenialObserver[] observers) =>
        InboundTestHost.StartAsync(build: builder =>
        {
            foreach (var observer in observers)
            {
                builder.Services.AddSingleton(observer);
            }

            build(builder);
        });

    private sealed class Recorder : IMeshDenialObserver
    {
        public ConcurrentQueue<MeshDenial> Told { get; } = new();

        public ValueTask OnDeniedAsync(MeshDenial denial, CancellationToken cancellationToken)
        {
            Told.Enqueue(denial);
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Thrower : IMeshDenialObserver
    {
        public int Asked { get; private set; }

        public ValueTask OnDeniedAsync(MeshDenial denial, CancellationToken cancellationToken)
        {
            Asked++;
            throw new InvalidOperationException("The observer is broken.");
        }
    }

    private sealed class Staller : IMeshDenialObserver
    {
        public int Asked { get; private set; }

        public async ValueTask OnDeniedAsync(MeshDenial denial, CancellationToken cancellationToken)
        {
            Asked++;
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        }
    }
}
