using System.Net.Security;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Outbound;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>From the user's request at one service to the call that is made for it to the next.</summary>
public sealed class ForwardingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Call_MadeForARequest_TakesItsTokenAndHeadersAlongToTheMesh()
    {
        using var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var billing = await StartBillingAsync(plane);
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapGet("/order", async (IHttpClientFactory clients) =>
                await clients.CreateClient().GetStringAsync("https://billing/", Token)),
            build: builder => builder.Services.AddHttpClient(),
            settings: new()
            {
                ["Mesh:Destinations:billing:Forward:Token"] = "true",
                ["Mesh:Destinations:billing:Forward:Headers:0"] = "x-tenant",
            },
            controlPlane: plane);
        using var web = host.CallerFrom("web");

        // Several at a time, each with its own user.
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/order");
            request.Headers.Add("Authorization", $"Bearer user-{i}");
            request.Headers.Add("X-Tenant", $"tenant-{i}");
            using var response = await web.SendAsync(request, Token);
            Assert.Equal($"Bearer user-{i} tenant-{i}", await response.Content.ReadAsStringAsync(Token));
        }));
        using var without = await web.GetAsync("/order", Token);

        Assert.Equal(" ", await without.Content.ReadAsStringAsync(Token));
        Assert.DoesNotContain(host.Logs.Lines, line => line.Text.Contains("user-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Call_ThatAsksForItItself_TakesAlongWhatTheInboundSideWasToldToKeep()
    {
        using var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        await using var billing = await StartBillingAsync(plane);
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapGet("/order", async (MeshHandlerFactory handlers) =>
            {
                using var client = new HttpMessageInvoker(handlers.Create());
                using var request = new HttpRequestMessage(HttpMethod.Get, "https://billing/");
                request.Options.Set(
                    MeshClient.Resilience.MeshRequestOptions.Forward,
                    new MeshClient.Configuration.MeshForwardOptions { Token = true, Headers = ["x-tenant"] });
                using var response = await client.SendAsync(request, Token);
                return await response.Content.ReadAsStringAsync(Token);
            }),
            settings: new() { ["Mesh:Inbound:ForwardableHeaders:0"] = "authorization" },
            controlPlane: plane);
        using var web = host.CallerFrom("web");
        web.DefaultRequestHeaders.Add("Authorization", "Bearer alice");
        web.DefaultRequestHeaders.Add("X-Tenant", "not-kept");

        Assert.Equal("Bearer alice ", await web.GetStringAsync("/order", Token));
    }

    private static async Task<WebApplication> StartBillingAsync(InMemoryControlPlane plane)
    {
        var name = ServiceName.Parse("billing");
        var context = MeshCaller.ContextOf(plane.Authority.IssueLeaf(name));
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listener =>
        {
            listener.Protocols = HttpProtocols.Http1AndHttp2;
            listener.UseHttps(new TlsHandshakeCallbackOptions
            {
                OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = context,
                    ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
                }),
            });
        }));
        var app = builder.Build();
        app.Run(call =>
        {
            var text = $"{call.Request.Headers.Authorization} {call.Request.Headers["x-tenant"]}";
            return call.Response.WriteAsync(text);
        });
        await app.StartAsync(Token);
        plane.AddInstance(name, "127.0.0.1", new Uri(app.Urls.Single()).Port);
        return app;
    }
}
