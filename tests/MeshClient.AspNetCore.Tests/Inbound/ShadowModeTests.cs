using System.Net;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Inbound;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>Rules that are tried: reported, and refusing nobody.</summary>
public sealed class ShadowModeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Shadow_OfTheWholeApp_ServesAndReportsWhatIsDenied()
    {
        using var plane = new InMemoryControlPlane();
        plane.Allow("web", "orders");
        plane.Deny("ops", "orders");
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapGet("/hello", (HttpContext context) =>
                $"{context.Features.Get<IMeshPermitFeature>()!.Rule} {context.Features.Get<IMeshPermitFeature>()!.IsShadow}"),
            settings: new() { ["Mesh:Inbound:Mode"] = "Shadow" },
            controlPlane: plane);
        _ = host.Metrics;

        Assert.Equal("web->orders False", await GetAsync(host, "web"));
        Assert.Equal("ops->orders True", await GetAsync(host, "ops"));
        Assert.Equal("default True", await GetAsync(host, "stranger"));

        Assert.Equal(
            ["Would deny ops to orders by rule ops->orders", "Would deny stranger to orders by rule default"],
            host.Logs.Of(130).Select(line => line.Text.Split(',')[0]));
        Assert.Empty(host.Logs.Of(101));
        await Eventually.HoldsAsync(() => host.Metrics.Of("meshclient.inbound.requests").Count == 3);
        Assert.Equal(["permitted", "shadow", "shadow"], host.Metrics.Of("meshclient.inbound.requests").Select(one => one.Tags["meshclient.outcome"]).Order());
        Assert.Equal(
            ["ops shadow", "stranger shadow"],
            host.Metrics.Of("meshclient.inbound.denials").Select(one => $"{one.Tags["meshclient.source"]} {one.Tags["meshclient.outcome"]}"));
    }

    [Fact]
    public async Task Shadow_OfOneIntention_ServesAndReportsOnlyWhatThatDenies()
    {
        using var plane = new InMemoryControlPlane();
        plane.SetIntentions(
            InboundTestHost.Orders,
            IntentionAction.Allow,
            new Intention { Id = "tried", Source = "web", Destination = "orders", Action = IntentionAction.Deny, Mode = IntentionMode.Shadow },
            new Intention { Id = "in-force", Source = "ops", Destination = "orders", Action = IntentionAction.Deny });
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);

        Assert.Equal("hello", await GetAsync(host, "web"));
        await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(host, "ops"));

        Assert.Contains("by rule tried", Assert.Single(host.Logs.Of(130)).Text, StringComparison.Ordinal);
        Assert.Contains("by rule in-force", Assert.Single(host.Logs.Of(101)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shadow_OfAnIntentionThatAllows_OpensNothing()
    {
        using var plane = new InMemoryControlPlane();
        plane.SetIntentions(
            InboundTestHost.Orders,
            IntentionAction.Deny,
            new Intention { Id = "tried", Source = "web", Destination = "orders", Action = IntentionAction.Allow, Mode = IntentionMode.Shadow });
        await using var host = await InboundTestHost.StartAsync(controlPlane: plane);

        await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(host, "web"));
    }

    [Fact]
    public async Task Shadow_BeforeTheFirstIntentionsAndWithoutAPeer_StaysClosed()
    {
        using var plane = new InMemoryControlPlane();
        plane.Stall();
        var held = new NeverAnswers();
        await using var host = await InboundTestHost.StartAsync(
            inbound: options =>
            {
                options.Mode = MeshInboundMode.Shadow;
                options.StartTimeout = TimeSpan.FromMilliseconds(500);
            },
            build: builder =>
            {
                builder.WebHost.UseUrls("http://127.0.0.1:0");
                Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton<IIntentionSource>(builder.Services, held);
            },
            hasIdentity: true);
        using var web = host.CallerFrom("web");
        using var outsider = new HttpClient { BaseAddress = host.PlainAddresses.Single() };

        using var before = await web.GetAsync("/hello", Token);
        using var without = await outsider.GetAsync("/hello", Token);

        Assert.Equal(HttpStatusCode.Forbidden, before.StatusCode);
        Assert.Contains("no-intentions-yet", await before.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, without.StatusCode);
    }

    private static async Task<string> GetAsync(InboundTestHost host, string caller)
    {
        using var client = host.CallerFrom(caller);
        return await client.GetStringAsync("/hello", Token);
    }

    private sealed class NeverAnswers : IIntentionSource
    {
        public async Task<Watched<IntentionSnapshot>> ReadIntentionsAsync(
            Core.Naming.ServiceName destination, ulong index, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            throw new OperationCanceledException(cancellationToken);
        }
    }
}
