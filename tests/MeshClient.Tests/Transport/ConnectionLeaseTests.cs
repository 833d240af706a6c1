using System.Threading.Channels;
using MeshClient.Configuration;
using MeshClient.Core.Naming;
using MeshClient.Identity;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Transport;

/// <summary>How long the caller's connections live by the certificates they were made with. Real sockets, a clock turned by hand.</summary>
public sealed class ConnectionLeaseTests
{
    private static readonly ServiceName Orders = ServiceName.Parse("orders");
    private static readonly TimeSpan Short = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly Channel<byte> _words = Channel.CreateUnbounded<byte>();

    public static TheoryData<string, bool> Streams => new()
    {
        { "HTTP/1.1", false }, { "HTTP/1.1", true }, { "HTTP/2", false }, { "HTTP/2", true }, { "WebSocket", false }, { "WebSocket", true },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [MemberData(nameof(Streams))]
    public async Task Connection_FirstCertificateToEnd_DrainsBeforeAndIsAbortedAfterTheGrace(string kind, bool isOwn)
    {
        using var metrics = new MetricRecorder();
        var (env, time, peer) = await StartAsync(kind, isOwn, metrics);
        await using var disposing = env;
        var stream = await Conversation.BeginAsync(env, kind, _words.Writer);
        await stream.HearAsync(1);
        var connections = peer.Connections;
        var until = isOwn ? env.Identity.Current!.Leaf.NotAfter : time.GetUtcNow() + Short - TimeSpan.FromMinutes(1);

        // Up to nine tenths of the certificate's life nothing changes: its 30 min began a minute before it was made.
        time.Advance(until - (Short * 0.1) - time.GetUtcNow() - Second);
        await CallAsync(env, kind);
        Assert.Equal(kind == "HTTP/2" ? connections : connections + 1, peer.Connections);
        connections = peer.Connections;

        // After 95 % new calls have a new connection, while the old one carries on with what it has.
        time.Advance((Short * 0.05) + (2 * Second));
        await CallAsync(env, kind);
        Assert.Equal(connections + 1, peer.Connections);
        await stream.HearAsync(2);
        time.Advance(until + MeshDefaults.ExpiryGrace - time.GetUtcNow() - Second);
        await stream.HearAsync(3);
        Assert.DoesNotContain(env.Logs.Lines, line => line.Event.Id == 21);

        time.Advance(2 * Second);
        await Assert.ThrowsAnyAsync<Exception>(() => stream.HearAsync(4));
        var line = Assert.Single(env.Logs.Lines.Where(line => line.Event.Id == 21).DistinctBy(line => line.Text));
        Assert.Equal(LogLevel.Warning, line.Level);
        Assert.Contains(isOwn ? "this process's certificate" : "the peer's certificate", line.Text, StringComparison.Ordinal);
        Assert.Contains(metrics.Of("meshclient.identity.connections_ended"), one => one.Tag("meshclient.outcome") is "aborted" && one.Tag("meshclient.side") is "outbound");
        var transports = env.Transports;
        await stream.DisposeAsync();
        await env.Services.DisposeAsync();
        await Eventually.HoldsAsync(() => peer.OpenConnections == 0, "all connections to be closed");
        Assert.Equal(0, transports.LiveConnections);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connection_PeerNeverRenews_IsReplacedAFewTimesAndCallsGoOn()
    {
        var (env, time, peer) = await StartAsync("HTTP/2", isOwn: false);
        await using var disposing = env;
        await CallAsync(env);
        var until = time.GetUtcNow() + Short - TimeSpan.FromMinutes(1);
        var calls = 0;
        while (time.GetUtcNow() < until - Second)
        {
            await CallAsync(env);
            calls++;
            time.Advance(Second);
        }

        // Each takes a quarter of what is left on average, and at least a second.
        Assert.InRange(peer.Connections, 5, 60);
        Assert.InRange(calls, 1000, 3000);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connection_RootOfItsPeerIsTrustedNoLonger_EndsAfterSpreadAndGrace()
    {
        var (env, time, peer) = await StartAsync("HTTP/2", isOwn: false, spread: TimeSpan.FromSeconds(10));
        await using var disposing = env;
        var stream = await Conversation.BeginAsync(env, "HTTP/2", _words.Writer);
        await stream.HearAsync(1);
        env.ControlPlane.RotateRoots();
        await Eventually.HoldsAsync(() => env.Identity.Current!.Bundle.Roots.Count == 2, "both roots");
        time.Advance(TimeSpan.FromMinutes(2));
        await stream.HearAsync(2);

        peer.Tls!.Renew(env.Authority.IssueLeaf(Orders));
        // Told last, so the leases have heard of it as well.
        var isGone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        env.Identity.Changed += one => _ = one.Bundle.Roots.Count == 1 && isGone.TrySetResult();
        env.ControlPlane.RetireOldRoots();
        await isGone.Task.WaitAsync(Token);
        time.Advance(MeshDefaults.ExpiryGrace - Second);
        await stream.HearAsync(3);
        await CallAsync(env);
        time.Advance(TimeSpan.FromSeconds(12));
        await Assert.ThrowsAnyAsync<Exception>(() => stream.HearAsync(4));
        await CallAsync(env);
        Assert.Contains(env.Logs.Lines, line => line.Event.Id == 21 && line.Text.Contains("root", StringComparison.Ordinal));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(-20, true)]
    [InlineData(-40, false)]
    [InlineData(20, true)]
    [InlineData(45, false)]
    public async Task Connect_ClockALittleWrong_IsAllowedForUpToTheAllowance(int secondsWrong, bool isServed)
    {
        // The peer's certificate has ended, or begins, so many seconds from the machine's present.
        await using var env = new MeshTestEnvironment();
        var moment = TimeSpan.FromSeconds(Math.Abs(secondsWrong));
        var good = LeafBlueprint.For(env.Authority.IdOf(Orders));
        using var leaf = env.Authority.Issue(secondsWrong < 0 ? good with { ValidUntil = -moment } : good with { ValidFrom = moment });
        var peer = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, leaf)));
        env.List("orders", peer.Port);
        if (isServed)
        {
            Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
        }
        else
        {
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetStringAsync("http://orders/", Token));
            Assert.Equal(MeshFailureReason.PeerRefused, failure.Reason);
            Assert.Contains(secondsWrong < 0 ? "has ended" : "begins", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Connect_TimeWrongAndIssuerToo_IsRefusedWithinTheAllowance()
    {
        await using var env = new MeshTestEnvironment();
        using var leaf = env.Authority.Issue(
            LeafBlueprint.For(env.Authority.IdOf(Orders)) with { ValidUntil = TimeSpan.FromSeconds(-5), Signer = LeafSigner.SameNamedStranger });
        var peer = env.Own(await HttpPeer.StartAsync(context => context.Response.WriteAsync("x"), PeerTls.For(env.Authority, leaf)));
        env.List("orders", peer.Port);
        await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal(0, peer.Requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Leaf_NotRenewed_IsSaidOncePerThresholdAndMeasured()
    {
        using var metrics = new MetricRecorder();
        var (env, time, _) = await StartAsync("HTTP/2", isOwn: true, metrics);
        await using var disposing = env;
        var monitor = env.Services.GetRequiredService<MeshIdentityMonitor>();
        Assert.Equal(new MeshIdentityStatus(MeshIdentityState.Pending, null, null, null), monitor.Current);
        await CallAsync(env);
        var leaf = env.Identity.Current!.Leaf;
        Assert.Equal(new MeshIdentityStatus(MeshIdentityState.Valid, leaf.Id, leaf.NotAfter, null), monitor.Current);
        env.ControlPlane.FailWith(new Core.ControlPlane.ControlPlaneException(Core.ControlPlane.ControlPlaneFailure.Unreachable, "The CA is away."));
        var states = new List<MeshIdentityState>();
        for (var i = 0; i < 32 * 60; i++)
        {
            time.Advance(Second);
            states.Add(monitor.Current.State);
        }

        Assert.Equal([MeshIdentityState.Valid, MeshIdentityState.Overdue, MeshIdentityState.Expired], states.Distinct());

        Assert.Same(leaf, env.Identity.Current!.Leaf);
        var warnings = env.Logs.Lines.Where(line => line.Event.Id is 11 or 12).ToList();
        Assert.Equal([11, 11, 11, 12], warnings.ConvertAll(line => line.Event.Id));
        Assert.Equal([LogLevel.Warning, LogLevel.Warning, LogLevel.Warning, LogLevel.Error], warnings.ConvertAll(line => line.Level));
        Assert.Matches("ends in (179|180) s", warnings[0].Text);
        Assert.InRange(Assert.Single(metrics.Observe("meshclient.identity.expires_in")).Value, -4 * 60, -2 * 60);

        env.ControlPlane.FailWith(null);
        env.ControlPlane.RenewLeaves();
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(Second);
                return !ReferenceEquals(leaf, env.Identity.Current!.Leaf);
            },
            "the renewal");
        Assert.Equal(1, metrics.Of("meshclient.identity.renewals").Sum(one => one.Value));
    }

    private async Task<(MeshTestEnvironment Env, FakeTimeProvider Time, HttpPeer Peer)> StartAsync(
        string kind, bool isOwn, MetricRecorder? metrics = null, TimeSpan? spread = null)
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var env = new MeshTestEnvironment(
            options =>
            {
                options.WatchIdleTimeout = TimeSpan.FromDays(1);
                options.RotationSpread = spread ?? TimeSpan.Zero;
            },
            services: services =>
            {
                services.AddSingleton<TimeProvider>(time);
                metrics?.Attach(services);
            });
        if (isOwn)
        {
            env.ControlPlane.LeafLifetime = Short;
        }

        var leaf = env.Authority.IssueLeaf(Orders, lifetime: isOwn ? null : Short);
        var peer = env.Own(await HttpPeer.StartAsync(
            context => context.Request.Path == "/stream" ? WordStream.ServeAsync(context, _words.Reader) : context.Response.WriteAsync("x"),
            new PeerTls(env.Authority, leaf.Certificate, leaf.Intermediates),
            kind == "HTTP/1.1" ? HttpProtocols.Http1 : null));
        env.ControlPlane.AddInstance(Orders, "127.0.0.1", peer.Port);
        return (env, time, peer);
    }

    private static async Task CallAsync(MeshTestEnvironment env, string kind = "HTTP/2")
    {
        using var request = Conversation.Request(string.Empty, kind);
        using var response = await env.Client().SendAsync(request, Token).BoundedAsync();
        Assert.Equal("x", await response.Content.ReadAsStringAsync(Token));
    }
}
