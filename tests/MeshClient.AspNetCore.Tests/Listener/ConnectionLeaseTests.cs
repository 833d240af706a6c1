using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Threading.Channels;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Configuration;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace MeshClient.AspNetCore.Tests.Listener;

/// <summary>How long the listener's connections live by the certificates they were made with. Real sockets, a clock turned by hand.</summary>
public sealed class ConnectionLeaseTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    public static TheoryData<string, bool> Streams => new()
    {
        { "1.1", false }, { "1.1", true }, { "2.0", false }, { "2.0", true }, { "WebSocket", false }, { "WebSocket", true },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Streams))]
    public async Task Connection_FirstCertificateToEnd_DrainsBeforeAndIsAbortedAfterTheGrace(string kind, bool isOwn)
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var words = Channel.CreateUnbounded<byte>();
        await using var host = await StartAsync(time, words.Reader, isOwn);
        var metrics = host.Metrics;
        var until = time.GetUtcNow() + Short - TimeSpan.FromMinutes(1);
        using var client = MeshCaller.Create(
            host, MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web, lifetime: isOwn ? null : Short)));
        using var talk = await TalkAsync(host, client, kind);
        await HearAsync(words.Writer, talk, 1);

        time.Advance(until - (Short * 0.05) - time.GetUtcNow() - Second);
        await HearAsync(words.Writer, talk, 2);
        Assert.Empty(metrics.Of("meshclient.identity.connections_ended"));

        // In the last twentieth of the certificate's life it is asked to close, and carries on with what it has.
        time.Advance(until - time.GetUtcNow() + Second);
        Assert.Equal("drained", Assert.Single(metrics.Of("meshclient.identity.connections_ended")).Tags["meshclient.outcome"]);
        await HearAsync(words.Writer, talk, 3);
        if (kind == "2.0")
        {
            // GOAWAY has come by now, so the next request goes elsewhere.
            await Eventually.HoldsAsync(async () =>
            {
                using var answer = await GetAsync(client, "/hello");
                return answer.IsSuccessStatusCode && host.Services.GetRequiredService<MeshTlsPolicy>().LiveConnections == 2;
            });
        }

        time.Advance(until + MeshDefaults.ExpiryGrace - time.GetUtcNow() - Second);
        await HearAsync(words.Writer, talk, 4);
        time.Advance(2 * Second);
        await Assert.ThrowsAnyAsync<Exception>(() => HearAsync(words.Writer, talk, 5));
        Assert.Contains(isOwn ? "this process's certificate" : "the peer's certificate", host.Logs.Of(108).First().Text, StringComparison.Ordinal);
        Assert.Contains(metrics.Of("meshclient.identity.connections_ended"), one => one.Tags["meshclient.outcome"] == "aborted" && one.Tags["meshclient.side"] == "inbound");
        client.Dispose();
        await Eventually.HoldsAsync(() => host.Services.GetRequiredService<MeshTlsPolicy>().LiveConnections == 0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connection_Http11AboutToEnd_SaysSoInItsNextAnswerAndNeverClosesUnderARequest(bool negotiates)
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        await using var host = await StartAsync(time, null, isOwn: false);
        var tls = MeshCaller.TlsOptions(
            host.ControlPlane.Authority.Bundle,
            MeshCaller.ContextOf(host.ControlPlane.Authority.IssueLeaf(InboundTestHost.Web, lifetime: Short)));
        tls.ApplicationProtocols = negotiates ? [SslApplicationProtocol.Http11] : null;
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, host.MeshPort, Token);
        await using var stream = new SslStream(client.GetStream());
        await stream.AuthenticateAsClientAsync(tls, Token);
        Assert.DoesNotContain("Connection: close", await ExchangeAsync(stream), StringComparison.Ordinal);

        time.Advance(Short - TimeSpan.FromSeconds(59));
        Assert.Contains("Connection: close", await ExchangeAsync(stream), StringComparison.Ordinal);
        Assert.Equal(0, await stream.ReadAsync(new byte[1], Token).AsTask().Bounded());
    }

    [Fact]
    public async Task Connection_RootOfItsPeerIsTrustedNoLonger_EndsAfterSpreadAndGrace()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var words = Channel.CreateUnbounded<byte>();
        await using var host = await StartAsync(time, words.Reader, isOwn: false);
        using var client = host.CallerFrom("web");
        using var talk = await TalkAsync(host, client, "2.0");
        await HearAsync(words.Writer, talk, 1);
        var identity = host.Services.GetRequiredService<MeshClient.Identity.MeshIdentity>();
        host.ControlPlane.RotateRoots();
        await Eventually.HoldsAsync(() => identity.Current!.Bundle.Roots.Count == 2);
        time.Advance(TimeSpan.FromMinutes(5));
        await HearAsync(words.Writer, talk, 2);

        // Told last, so the leases have heard of it as well.
        var isGone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        identity.Changed += one => _ = one.Bundle.Roots.Count == 1 && isGone.TrySetResult();
        host.ControlPlane.RetireOldRoots();
        await isGone.Task.WaitAsync(Token);
        time.Advance(MeshDefaults.ExpiryGrace - Second);
        await HearAsync(words.Writer, talk, 3);
        time.Advance(MeshDefaults.RotationSpread + (2 * Second));

        await Assert.ThrowsAnyAsync<Exception>(() => HearAsync(words.Writer, talk, 4));
        Assert.Contains("root", host.Logs.Of(108).Single().Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HealthCheck_CertificateComesToItsEnd_IsDegradedThenUnhealthy()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var plane = new InMemoryControlPlane { LeafLifetime = Short };
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: plane,
            build: builder =>
            {
                builder.Services.AddSingleton<TimeProvider>(time);
                builder.Services.AddHealthChecks().AddMeshIdentity();
            });
        var checks = host.Services.GetRequiredService<HealthCheckService>();

        Assert.Equal(HealthStatus.Healthy, (await checks.CheckHealthAsync(Token)).Status);
        time.Advance(Short - TimeSpan.FromMinutes(3));
        Assert.Equal(HealthStatus.Degraded, (await checks.CheckHealthAsync(Token)).Status);
        time.Advance(TimeSpan.FromMinutes(3));
        var report = await checks.CheckHealthAsync(Token);
        Assert.Equal(HealthStatus.Unhealthy, report.Status);
        Assert.Contains("svc/orders", report.Entries["mesh-identity"].Description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-20, true)]
    [InlineData(-40, false)]
    [InlineData(20, true)]
    [InlineData(45, false)]
    public async Task Connect_ClockALittleWrong_IsAllowedForUpToTheAllowance(int secondsWrong, bool isServed)
    {
        var time = TimeProvider.System;
        await using var host = await StartAsync(time, null, isOwn: false);
        var moment = TimeSpan.FromSeconds(Math.Abs(secondsWrong));
        var good = LeafBlueprint.For(host.ControlPlane.Authority.IdOf(InboundTestHost.Web));
        using var leaf = host.ControlPlane.Authority.Issue(secondsWrong < 0 ? good with { ValidUntil = -moment } : good with { ValidFrom = moment });
        using var client = MeshCaller.Create(host, MeshCaller.ContextOf(leaf));
        if (isServed)
        {
            Assert.Equal("hello", await client.GetStringAsync("/hello", Token));
            return;
        }

        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync("/hello", Token));
        await Eventually.HoldsAsync(() => host.Logs.Of(103).Any(line => line.Text.Contains(secondsWrong < 0 ? "has ended" : "begins", StringComparison.Ordinal)));
    }

    private static async Task<InboundTestHost> StartAsync(
        TimeProvider time, ChannelReader<byte>? words, bool isOwn)
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        if (isOwn)
        {
            plane.LeafLifetime = Short;
        }

        return await InboundTestHost.StartAsync(
            map: app =>
            {
                app.UseWebSockets();
                app.MapGet("/hello", () => "hello");
                app.Map("/talk", context => WordStream.ServeAsync(context, words!));
            },
            build: builder => builder.Services.AddSingleton(time),
            controlPlane: plane);
    }

    private static async Task<string> ExchangeAsync(Stream stream)
    {
        await stream.WriteAsync("GET /hello HTTP/1.1\r\nHost: orders\r\n\r\n"u8.ToArray(), Token);
        var text = string.Empty;
        var buffer = new byte[4096];
        while (!text.Contains("hello", StringComparison.Ordinal))
        {
            var read = await stream.ReadAsync(buffer, Token).AsTask().Bounded();
            Assert.NotEqual(0, read);
            text += Encoding.ASCII.GetString(buffer, 0, read);
        }

        return text;
    }

    private static async Task<HttpResponseMessage> GetAsync(HttpClient client, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token).Bounded();
    }

    private static async Task<Talk> TalkAsync(InboundTestHost host, HttpClient client, string kind)
    {
        if (kind == "WebSocket")
        {
            var socket = new ClientWebSocket();
            await socket.ConnectAsync(new Uri($"wss://127.0.0.1:{host.MeshPort}/talk"), client, Token).Bounded();
            return new Talk(socket, async buffer => (await socket.ReceiveAsync(buffer, Token)).Count);
        }

        var response = kind == "2.0"
            ? await GetAsync(client, "/talk")
            : await client.GetAsync("/talk", HttpCompletionOption.ResponseHeadersRead, Token).Bounded();
        var body = await response.Content.ReadAsStreamAsync(Token);
        return new Talk(response, buffer => body.ReadAsync(buffer, Token).AsTask());
    }

    private static async Task HearAsync(ChannelWriter<byte> server, Talk talk, byte word)
    {
        await server.WriteAsync(word, Token);
        var buffer = new byte[1];
        Assert.Equal(1, await talk.Read(buffer).Bounded());
        Assert.Equal(word, buffer[0]);
    }

    private sealed record Talk(IDisposable Owned, Func<Memory<byte>, Task<int>> Read) : IDisposable
    {
        public void Dispose() => Owned.Dispose();
    }
}
