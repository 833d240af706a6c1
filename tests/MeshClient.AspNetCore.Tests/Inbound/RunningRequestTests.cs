using System.Net;
using System.Net.WebSockets;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Tests.Endpoints;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>Requests that are being served when their permit is withdrawn.</summary>
public sealed class RunningRequestTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Stream_WhosePermitIsWithdrawn_IsEnded(string version)
    {
        await using var host = await StartAsync();
        host.ControlPlane.Allow("web", "orders");
        host.ControlPlane.Allow("ops", "orders");
        using var web = host.CallerFrom("web");
        using var ops = host.CallerFrom("ops");
        await using var ended = await OpenAsync(web, version);
        await using var other = await OpenAsync(ops, version);

        host.ControlPlane.Deny("web", "orders");

        await Assert.ThrowsAnyAsync<Exception>(() => ReadToEndAsync(ended).Bounded());
        // The other one goes on.
        Assert.NotEqual(0, await other.ReadAsync(new byte[1], Token).AsTask().Bounded());
        await Eventually.HoldsAsync(() => host.Logs.Of(131).Any());
        Assert.Contains("Ended a request of web to orders", Assert.Single(host.Logs.Of(131)).Text, StringComparison.Ordinal);
        await Eventually.HoldsAsync(() => host.Metrics.Of("meshclient.inbound.denials").Any(one =>
            one.Tags["meshclient.source"] == "web" && one.Tags["meshclient.stage"] == "running-request" && one.Tags["meshclient.rule"] == "web->orders"));
    }

    [Fact]
    public async Task Stream_WhosePermitIsWithdrawn_HasAllOfItsGrace()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        // Allowed beforehand: whoever hears of many changes at once waits a moment, and the clock stands still.
        var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        await using var host = await StartAsync(time, plane);
        using var web = host.CallerFrom("web");
        await using var stream = await OpenAsync(web, "2.0");

        host.ControlPlane.Deny("web", "orders");
        await time.WaitForTimerAsync(MeshInboundDefaults.WithdrawalGrace, cancellationToken: Token);
        time.Advance(TimeSpan.FromMilliseconds(300));
        // Intentions that change once more neither shorten it nor begin it anew.
        host.ControlPlane.Allow("ops", "orders");
        using var ops = host.CallerFrom("ops");
        await Eventually.HoldsAsync(async () => await StatusAsync(ops, "/once") == HttpStatusCode.OK);
        time.Advance(MeshInboundDefaults.WithdrawalGrace - TimeSpan.FromMilliseconds(301));
        Assert.Empty(host.Logs.Of(131));

        // At once, but where the last change was still being looked at while the clock was turned.
        var later = TimeSpan.Zero;
        await Eventually.HoldsAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(2));
            later += TimeSpan.FromMilliseconds(2);
            return host.Logs.Of(131).Any();
        });

        Assert.InRange(later, TimeSpan.Zero, TimeSpan.FromMilliseconds(250));
        Assert.Single(host.Logs.Of(131));
        await Assert.ThrowsAnyAsync<Exception>(() => ReadToEndAsync(stream).Bounded());
    }

    [Fact]
    public async Task Streams_WhosePermitsAreWithdrawnOneAfterTheOther_AreEndedEach()
    {
        await using var host = await StartAsync();
        host.ControlPlane.Allow("web", "orders");
        host.ControlPlane.Allow("ops", "orders");
        using var web = host.CallerFrom("web");
        using var ops = host.CallerFrom("ops");
        await using var first = await OpenAsync(web, "2.0");
        await using var second = await OpenAsync(ops, "1.1");

        // The second change comes while the first one's grace lasts, and nothing changes after it.
        host.ControlPlane.Deny("web", "orders");
        await Eventually.HoldsAsync(async () => await StatusAsync(web, "/once") == HttpStatusCode.Forbidden);
        host.ControlPlane.Deny("ops", "orders");

        await Assert.ThrowsAnyAsync<Exception>(() => ReadToEndAsync(first).Bounded());
        await Assert.ThrowsAnyAsync<Exception>(() => ReadToEndAsync(second).Bounded());
        await Eventually.HoldsAsync(() => host.Logs.Of(131).Count() == 2);
    }

    [Fact]
    public async Task Stream_OfGrpcOverHttp2_EndsWithTheErrorThatMeansPermissionDenied()
    {
        await using var host = await StartAsync();
        host.ControlPlane.Allow("web", "orders");
        using var web = host.CallerFrom("web");
        await using var stream = await OpenAsync(web, "2.0");

        host.ControlPlane.Deny("web", "orders");
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => ReadToEndAsync(stream).Bounded());

        for (var e = failure; e is not null; e = e.InnerException)
        {
            if (e is HttpProtocolException protocol)
            {
                Assert.Equal(0xc, protocol.ErrorCode);
                return;
            }
        }

        Assert.Fail(failure.ToString());
    }

    [Fact]
    public async Task OtherStreamsOfTheConnection_UnderARuleThatStillAllows_GoOn()
    {
        await using var host = await StartAsync();
        host.ControlPlane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, Rule("/a", "/b"));
        using var web = host.CallerFrom("web");
        await Eventually.HoldsAsync(async () => await StatusAsync(web, "/a/once") == HttpStatusCode.OK);
        await using var a = await OpenAsync(web, "2.0", "/a/stream");
        await using var b = await OpenAsync(web, "2.0", "/b/stream");

        host.ControlPlane.SetIntentions(InboundTestHost.Orders, IntentionAction.Deny, Rule("/b"));

        await Assert.ThrowsAnyAsync<Exception>(() => ReadToEndAsync(a).Bounded());
        Assert.NotEqual(0, await b.ReadAsync(new byte[1], Token).AsTask().Bounded());
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(web, "/b/once"));
    }

    [Fact]
    public async Task WebSocket_WhosePermitIsWithdrawn_IsClosed()
    {
        await using var host = await StartAsync();
        host.ControlPlane.Allow("web", "orders");
        using var web = host.CallerFrom("web");
        await Eventually.HoldsAsync(async () => await StatusAsync(web, "/once") == HttpStatusCode.OK);
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"wss://127.0.0.1:{host.MeshPort}/socket"), web, Token).Bounded();

        host.ControlPlane.Deny("web", "orders");

        await Assert.ThrowsAsync<WebSocketException>(() => socket.ReceiveAsync(new byte[16], Token).Bounded());
    }

    [Fact]
    public async Task Stream_WhenARuleOfShadowModeWouldEndIt_GoesOn()
    {
        await using var host = await StartAsync();
        host.ControlPlane.Allow("web", "orders");
        using var web = host.CallerFrom("web");
        await using var stream = await OpenAsync(web, "2.0");

        host.ControlPlane.SetIntentions(
            InboundTestHost.Orders,
            IntentionAction.Allow,
            new Intention { Id = "tried", Source = "web", Destination = "orders", Action = IntentionAction.Deny, Mode = IntentionMode.Shadow });
        await Eventually.HoldsAsync(async () => await StatusAsync(web, "/once") == HttpStatusCode.OK && host.Logs.Of(130).Any());

        Assert.NotEqual(0, await stream.ReadAsync(new byte[1], Token).AsTask().Bounded());
        Assert.Empty(host.Logs.Of(131));
    }

    [Fact]
    public async Task Requests_WhileIntentionsChangeAllTheTime_AreServedOrRefusedAndNeverBrokenOff()
    {
        await using var host = await StartAsync();
        host.ControlPlane.Allow("web", "orders");
        host.ControlPlane.Allow("ops", "orders");
        using var web = host.CallerFrom("web");
        using var ops = host.CallerFrom("ops");
        var stop = 0;
        var served = 0;
        async Task CallAsync(HttpClient client, string version, bool mayBeRefused)
        {
            while (Volatile.Read(ref stop) == 0)
            {
                using var request = Get("/once", version);
                using var response = await client.SendAsync(request, Token);
                Assert.True(response.StatusCode == HttpStatusCode.OK || (mayBeRefused && response.StatusCode == HttpStatusCode.Forbidden), response.StatusCode.ToString());
                Interlocked.Increment(ref served);
            }
        }

        await Eventually.HoldsAsync(async () => await StatusAsync(ops, "/once") == HttpStatusCode.OK);
        var calls = Enumerable.Range(0, 8).Select(i => Task.Run(() => CallAsync(i % 2 == 0 ? web : ops, i < 4 ? "1.1" : "2.0", i % 2 == 0), Token)).ToList();
        for (var i = 0; i < 40; i++)
        {
            host.ControlPlane.Deny("web", "orders");
            var before = Volatile.Read(ref served);
            await Eventually.HoldsAsync(() => Volatile.Read(ref served) > before + 20);
            host.ControlPlane.Allow("web", "orders");
        }

        Volatile.Write(ref stop, 1);
        await Task.WhenAll(calls).Bounded();
        await Eventually.HoldsAsync(() => host.Metrics.Of("meshclient.inbound.active_requests").Sum(one => one.Value) <= 0);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(ops, "/once"));
    }

    internal static Intention Rule(params string[] prefixes) => new()
    {
        Id = "rule",
        Source = "web",
        Destination = "orders",
        Permissions = [.. prefixes.Select(prefix => new IntentionPermission { Action = IntentionAction.Allow, PathPrefix = prefix })],
    };

    private static async Task<InboundTestHost> StartAsync(TimeProvider? time = null, InMemoryControlPlane? plane = null)
    {
        var host = await InboundTestHost.StartAsync(
            app =>
            {
                app.UseWebSockets();
                app.MapGet("{**rest}", () => "once");
                app.MapGet("{**rest:regex(stream$)}", StreamAsync);
                app.Map("/socket", async (HttpContext context) =>
                {
                    using var socket = await context.WebSockets.AcceptWebSocketAsync();
                    await socket.ReceiveAsync(new byte[16], context.RequestAborted);
                });
            },
            build: builder => builder.Services.AddSingleton(time ?? TimeProvider.System),
            controlPlane: plane);
        _ = host.Metrics;
        return host;
    }

    private static async Task StreamAsync(HttpContext context)
    {
        while (true)
        {
            await context.Response.Body.WriteAsync("."u8.ToArray(), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, context.RequestAborted);
        }
    }

    private static async Task<Stream> OpenAsync(HttpClient client, string version, string path = "/stream")
    {
        HttpResponseMessage? response = null;
        await Eventually.HoldsAsync(async () =>
        {
            response = await client.SendAsync(Get(path, version), HttpCompletionOption.ResponseHeadersRead, Token);
            return response.IsSuccessStatusCode;
        });
        var stream = await response!.Content.ReadAsStreamAsync(Token);
        Assert.Equal(1, await stream.ReadAsync(new byte[1], Token).AsTask().Bounded());
        return stream;
    }

    private static async Task ReadToEndAsync(Stream stream)
    {
        var buffer = new byte[256];
        while (await stream.ReadAsync(buffer, Token) > 0)
        {
        }
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client, string path)
    {
        using var response = await client.GetAsync(path, Token);
        return response.StatusCode;
    }

    private static HttpRequestMessage Get(string path, string version) =>
        new(HttpMethod.Get, path) { Version = Version.Parse(version), VersionPolicy = HttpVersionPolicy.RequestVersionExact };
}
