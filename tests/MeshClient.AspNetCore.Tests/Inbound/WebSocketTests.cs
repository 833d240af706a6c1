using System.Net;
using System.Net.WebSockets;
using System.Text;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Tests.Inbound;

public sealed class WebSocketTests
{
    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task WebSocket_Allowed_EchoesThroughEnforcement(string version)
    {
        await using var host = await StartAsync();
        host.ControlPlane.Allow("web", "orders");
        using var invoker = host.CallerFrom("web");
        await Eventually.HoldsAsync(async () => (await invoker.GetAsync("/", TestContext.Current.CancellationToken)).StatusCode != HttpStatusCode.Forbidden);
        using var socket = Create(version);

        await socket.ConnectAsync(Address(host), invoker, TestContext.Current.CancellationToken).Bounded();
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, TestContext.Current.CancellationToken).Bounded();
        var buffer = new byte[64];
        var received = await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken).Bounded();

        Assert.Equal("web: hello", Encoding.UTF8.GetString(buffer, 0, received.Count));
    }

    [Fact]
    public async Task WebSocket_Denied_IsNotUpgraded()
    {
        await using var host = await StartAsync();
        using var invoker = host.CallerFrom("web");
        using var socket = Create("1.1");
        socket.Options.CollectHttpResponseDetails = true;

        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(Address(host), invoker, TestContext.Current.CancellationToken).Bounded());

        Assert.Equal(HttpStatusCode.Forbidden, socket.HttpStatusCode);
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task WebSocket_WhereGetIsDenied_IsNotMadeHoweverItComes(string version)
    {
        using var plane = new InMemoryControlPlane();
        plane.SetIntentions(InboundTestHost.Orders, IntentionAction.Allow, new Intention
        {
            Id = "web-rule",
            Source = "web",
            Destination = "orders",
            Permissions = [new() { Action = IntentionAction.Deny, PathExact = "/echo", Methods = ["GET"] }],
        });
        await using var host = await StartAsync(plane);
        using var invoker = host.CallerFrom("web");
        using var socket = Create(version);

        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(Address(host), invoker, TestContext.Current.CancellationToken).Bounded());

        Assert.Contains("by rule web-rule#1", Assert.Single(host.Logs.Of(101)).Text, StringComparison.Ordinal);
        using var post = await invoker.PostAsync("/echo", null, TestContext.Current.CancellationToken);
        Assert.NotEqual(HttpStatusCode.Forbidden, post.StatusCode);
    }

    private static Uri Address(InboundTestHost host) => new($"wss://127.0.0.1:{host.MeshPort}/echo");

    private static ClientWebSocket Create(string version)
    {
        var socket = new ClientWebSocket();
        socket.Options.HttpVersion = Version.Parse(version);
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        return socket;
    }

    private static Task<InboundTestHost> StartAsync(InMemoryControlPlane? plane = null) => InboundTestHost.StartAsync(
        map: app =>
        {
            app.UseWebSockets();
            app.Map("/echo", async (HttpContext context) =>
            {
                using var socket = await context.WebSockets.AcceptWebSocketAsync();
                var buffer = new byte[64];
                var received = await socket.ReceiveAsync(buffer, context.RequestAborted);
                var answer = $"{context.User.Identity!.Name}: {Encoding.UTF8.GetString(buffer, 0, received.Count)}";
                await socket.SendAsync(Encoding.UTF8.GetBytes(answer), WebSocketMessageType.Text, true, context.RequestAborted);
            });
        },
        controlPlane: plane ?? new InMemoryControlPlane());
}
