using System.Net;
using System.Text.Json;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace MeshClient.AspNetCore.Tests.Endpoints;

/// <summary>Rules an app has about who may call its endpoints, in code and in configuration.</summary>
public sealed class EndpointRuleTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("web", 200)]
    [InlineData("ops", 200)]
    [InlineData("other", 403)]
    [InlineData("Web", 403)]
    public async Task RequireMeshPeer_ByCaller_LetsInThoseItNames(string caller, int status)
    {
        await using var host = await StartAsync(app => app.MapGet("/orders", () => "orders").RequireMeshPeer("web", "ops"));

        Assert.Equal(status, await StatusAsync(host, caller, "/orders"));
    }

    [Fact]
    public async Task RequireMeshPeer_WithoutNames_LetsInAnyServiceAndNobodyElse()
    {
        await using var host = await StartAsync(
            app => app.MapGet("/orders", () => "orders").RequireMeshPeer(),
            builder: builder => builder.WebHost.UseUrls("http://127.0.0.1:0"));
        using var outsider = new HttpClient { BaseAddress = host.PlainAddresses.Single() };

        Assert.Equal(200, await StatusAsync(host, "anybody", "/orders"));
        Assert.Equal(HttpStatusCode.Forbidden, (await outsider.GetAsync("/orders", Token)).StatusCode);
    }

    [Fact]
    public async Task RequireMeshPeer_DeniedCaller_GetsTheProblemOfAllDenialsWithTheRule()
    {
        var served = 0;
        await using var host = await StartAsync(app => app.MapGet("/orders", () => served++).WithName("list-orders").RequireMeshPeer("web"));
        using var other = host.CallerFrom("other");

        using var response = await other.GetAsync("/orders?secret=1", Token);
        using var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token));

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("endpoint:list-orders", problem.RootElement.GetProperty("rule").GetString());
        Assert.DoesNotContain("web", problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, served);
        var line = Assert.Single(host.Logs.Of(101));
        Assert.Contains("Denied other to orders by rule endpoint:list-orders: GET /orders.", line.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", line.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RequireMeshPeer_DeniedGrpcCaller_GetsPermissionDenied()
    {
        await using var host = await StartAsync(app => app.MapPost("/orders.Orders/List", () => "orders").RequireMeshPeer("web"));
        using var other = host.CallerFrom("other");
        using var content = new ByteArrayContent([0, 0, 0, 0, 0]);
        content.Headers.ContentType = new("application/grpc");

        using var response = await other.PostAsync("/orders.Orders/List", content, Token);

        Assert.Equal("7", Assert.Single(response.Headers.GetValues("grpc-status")));
        Assert.Contains("endpoint%3A%2Forders.Orders%2FList", Assert.Single(response.Headers.GetValues("grpc-message")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("web", "/both", 200)]
    [InlineData("ops", "/both", 403)]
    [InlineData("other", "/both", 403)]
    [InlineData("ops", "/group", 200)]
    public async Task RequireMeshPeer_OnGroupAndEndpoint_EachHasToAllow(string caller, string path, int status)
    {
        await using var host = await StartAsync(app =>
        {
            var group = app.MapGroup("/").RequireMeshPeer("web", "ops");
            group.MapGet("/both", () => "both").RequireMeshPeer("web", "other");
            group.MapGet("/group", () => "group");
        });

        Assert.Equal(status, await StatusAsync(host, caller, path));
    }

    [Theory]
    [InlineData("web", 403)]
    [InlineData("ops", 200)]
    public async Task RequireMeshPeer_WithIntentions_BothHaveToAllow(string caller, int status)
    {
        using var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        plane.Deny("web", "orders");
        await using var host = await StartAsync(app => app.MapGet("/orders", () => "orders").RequireMeshPeer("web", "ops"), plane: plane);

        Assert.Equal(status, await StatusAsync(host, caller, "/orders"));
    }

    [Theory]
    [InlineData("web", "/controller/all", 200)]
    [InlineData("ops", "/controller/all", 200)]
    [InlineData("other", "/controller/all", 403)]
    [InlineData("web", "/controller/one", 403)]
    [InlineData("ops", "/controller/one", 200)]
    public async Task MeshAllow_OnControllerAndAction_EachHasToAllow(string caller, string path, int status)
    {
        await using var host = await StartAsync(
            app => app.MapControllers(),
            builder: builder => builder.Services.AddControllers().AddApplicationPart(typeof(GuardedController).Assembly));

        Assert.Equal(status, await StatusAsync(host, caller, path));
    }

    [Fact]
    public async Task MeshAllow_OnTheMethodOfAnEndpoint_Holds()
    {
        await using var host = await StartAsync(app => app.MapGet("/lambda", [MeshAllow("web")] () => "lambda"));

        Assert.Equal(200, await StatusAsync(host, "web", "/lambda"));
        Assert.Equal(403, await StatusAsync(host, "other", "/lambda"));
    }

    [Fact]
    public async Task Rule_WithSpiffeId_LetsInThatMemberOnly()
    {
        using var plane = OpenPlane();
        var id = plane.Authority.IdOf(InboundTestHost.Web).ToString();
        await using var host = await StartAsync(app => app.MapGet("/orders", () => "orders").RequireMeshPeer(id), plane: plane);

        Assert.Equal(200, await StatusAsync(host, "web", "/orders"));
        Assert.Equal(403, await StatusAsync(host, "ops", "/orders"));
    }

    [Fact]
    public async Task Rule_WhenTheAppChoosesTheEndpointByHand_Holds()
    {
        var served = 0;
        await using var host = await StartAsync(app =>
        {
            app.MapGet("/orders", () => served++).WithName("guarded").RequireMeshPeer("web");
            // As a dispatcher of the app's own might do it, past routing.
            app.Use(next => async context =>
            {
                if (context.Request.Path == "/by-hand")
                {
                    var endpoints = context.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints;
                    context.SetEndpoint(endpoints.Single(one => one.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName == "guarded"));
                    await context.GetEndpoint()!.RequestDelegate!(context);
                    return;
                }

                await next(context);
            });
        });

        Assert.Equal(200, await StatusAsync(host, "web", "/by-hand"));
        Assert.Equal(403, await StatusAsync(host, "other", "/by-hand"));
        Assert.Equal(1, served);
    }

    [Fact]
    public async Task Rule_WhenTheAppRunsTheRequestAgainElsewhere_Holds()
    {
        await using var host = await StartAsync(app =>
        {
            app.UseStatusCodePagesWithReExecute("/guarded");
            app.MapGet("/guarded", () => "the treasure").RequireMeshPeer("web");
            app.MapGet("/open", (HttpContext context) => { context.Response.StatusCode = 404; });
        });
        using var other = host.CallerFrom("other");

        using var response = await other.GetAsync("/open", Token);

        Assert.DoesNotContain("treasure", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task Rule_OfAShortCircuitedEndpoint_Holds()
    {
        await using var host = await StartAsync(app => app.MapGet("/short", () => "short").ShortCircuit().RequireMeshPeer("web"));

        Assert.Equal(200, await StatusAsync(host, "web", "/short"));
        Assert.Equal(403, await StatusAsync(host, "other", "/short"));
    }

    [Fact]
    public async Task Rule_BehindACacheThatHasTheAnswer_Holds()
    {
        var made = 0;
        await using var host = await StartAsync(
            app =>
            {
                app.UseOutputCache();
                app.MapGet("/cached", () => ++made).RequireMeshPeer("web");
            },
            builder: builder => builder.Services.AddOutputCache(cache => cache.AddBasePolicy(new CacheAll())));

        Assert.Equal(200, await StatusAsync(host, "web", "/cached"));
        Assert.Equal(200, await StatusAsync(host, "web", "/cached"));
        Assert.Equal(1, made);
        Assert.Equal(403, await StatusAsync(host, "other", "/cached"));
    }

    [Fact]
    public async Task Rule_WithoutUseAuthorizationAndWithAnonymousUsersAllowed_Holds()
    {
        await using var host = await StartAsync(
            app => app.MapGet("/orders", () => "orders").AllowAnonymous().RequireMeshPeer("web"),
            builder: builder => builder.Services.AddAuthorization());

        Assert.Equal(200, await StatusAsync(host, "web", "/orders"));
        Assert.Equal(403, await StatusAsync(host, "other", "/orders"));
    }

    [Fact]
    public async Task Endpoint_WithThePlaceOfTheEndpointReplaced_IsRefused()
    {
        await using var host = await StartAsync(app =>
        {
            app.Use(next => context =>
            {
                context.Features.Set<IEndpointFeature>(new OwnEndpointFeature());
                return next(context);
            });
            app.UseRouting();
            app.MapGet("/orders", () => "orders").RequireMeshPeer("web");
        });

        Assert.Equal(500, await StatusAsync(host, "web", "/orders"));
        Assert.Single(host.Logs.Of(102));
    }

    [Theory]
    [InlineData("ByName:Endpoint", "orders", "/orders", 403)]
    [InlineData("ByName:Endpoint", "ORDERS", null, 0)]
    [InlineData("ByRoute:Route", "/orders", "/orders", 403)]
    [InlineData("ByRoute:Route", "Orders/", "/orders", 403)]
    [InlineData("ByRoute:Route", "/items/{id:int}", "/items/7", 403)]
    [InlineData("ByRoute:Route", "/items/{id}", null, 0)]
    [InlineData("ByRoute:Route", "/items/**", "/items/7", 403)]
    [InlineData("ByRoute:Route", "/ITEMS/**", "/items", 403)]
    [InlineData("ByRoute:Route", "/items/**", "/itemsets", 200)]
    [InlineData("ByRoute:Route", "/**", "/orders", 403)]
    public async Task Rule_OfConfiguration_HoldsForTheEndpointsItNamesOrStopsTheStart(string key, string value, string? path, int status)
    {
        var settings = new Dictionary<string, string?>
        {
            [$"Mesh:Inbound:Rules:{key}"] = value,
            [$"Mesh:Inbound:Rules:{key.Split(':')[0]}:Callers:0"] = "web",
        };

        async Task<InboundTestHost> StartWithRuleAsync() => await StartAsync(
            app =>
            {
                app.MapGet("/orders", () => "orders").WithName("orders");
                app.MapGet("/items", () => "items");
                app.MapGet("/items/{id:int}", (int id) => id);
                app.MapGet("/itemsets", () => "sets");
            },
            settings: settings);

        if (path is null)
        {
            var failure = await Assert.ThrowsAsync<InvalidOperationException>(StartWithRuleAsync);
            Assert.Contains($"Mesh:Inbound:Rules:{key.Split(':')[0]}", failure.Message, StringComparison.Ordinal);
            return;
        }

        await using var host = await StartWithRuleAsync();

        Assert.Equal(status, await StatusAsync(host, "other", path));
        Assert.Equal(200, await StatusAsync(host, "web", path));
    }

    [Fact]
    public async Task Start_WithRulesThatCannotHold_TellsAllOfThem()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StartAsync(app =>
        {
            app.MapGet("/both", () => "both").AllowWithoutMesh().RequireMeshPeer("web");
            app.MapGet("/unreadable", () => "unreadable").WithMetadata(new MeshAllowAttribute("not a name"));
        }));

        Assert.Contains("'/both' may be called without the mesh, and has a rule", failure.Message, StringComparison.Ordinal);
        Assert.Contains("'/unreadable' names the caller 'not a name'", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithARuleOnTheMethodOfAHub_Fails()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StartAsync(
            app => app.MapHub<HubWithARuleInside>("/hub"),
            builder: builder => builder.Services.AddSignalR()));

        Assert.Contains("[MeshAllow] stands on the method HubWithARuleInside.Delete of a hub", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("web", 200)]
    [InlineData("other", 403)]
    public async Task MeshAllow_OnAHub_Holds(string caller, int status)
    {
        await using var host = await StartAsync(
            app => app.MapHub<GuardedHub>("/hub"),
            builder: builder => builder.Services.AddSignalR());
        using var client = host.CallerFrom(caller);

        using var response = await client.PostAsync("/hub/negotiate?negotiateVersion=1", null, Token);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public void RequireMeshPeer_WithANameThatIsNone_Throws()
    {
        var app = WebApplication.CreateSlimBuilder().Build();

        Assert.Throws<ArgumentException>(() => app.MapGet("/", () => "").RequireMeshPeer("web", "a/b"));
    }

    [Fact]
    public async Task Rule_InShadowMode_ReportsAndServes()
    {
        await using var host = await StartAsync(
            app => app.MapGet("/orders", () => "orders").RequireMeshPeer("web"),
            inbound: options => options.Mode = MeshInboundMode.Shadow);

        Assert.Equal(200, await StatusAsync(host, "other", "/orders"));

        var line = Assert.Single(host.Logs.Of(130));
        Assert.Contains("Would deny other to orders by rule endpoint:/orders", line.Text, StringComparison.Ordinal);
        Assert.Empty(host.Logs.Of(101));
    }

    internal static InMemoryControlPlane OpenPlane()
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        return plane;
    }

    private static Task<InboundTestHost> StartAsync(
        Action<WebApplication> map,
        Action<MeshInboundOptions>? inbound = null,
        Action<WebApplicationBuilder>? builder = null,
        InMemoryControlPlane? plane = null,
        Dictionary<string, string?>? settings = null) =>
        InboundTestHost.StartAsync(map, inbound, build: builder, controlPlane: plane ?? OpenPlane(), settings: settings);

    private static async Task<int> StatusAsync(InboundTestHost host, string caller, string path)
    {
        using var client = host.CallerFrom(caller);
        using var response = await client.GetAsync(path, Token);
        return (int)response.StatusCode;
    }

    // The framework's own policy keeps nothing that an authenticated caller was given; an app may.
    private sealed class CacheAll : IOutputCachePolicy
    {
        public ValueTask CacheRequestAsync(OutputCacheContext context, CancellationToken cancellation)
        {
            context.EnableOutputCaching = context.AllowCacheLookup = context.AllowCacheStorage = true;
            return ValueTask.CompletedTask;
        }

        public ValueTask ServeFromCacheAsync(OutputCacheContext context, CancellationToken cancellation) => ValueTask.CompletedTask;

        public ValueTask ServeResponseAsync(OutputCacheContext context, CancellationToken cancellation) => ValueTask.CompletedTask;
    }

    private sealed class OwnEndpointFeature : IEndpointFeature
    {
        public Endpoint? Endpoint { get; set; }
    }
}

/// <summary>An app's controller.</summary>
[ApiController]
[Route("controller")]
[MeshAllow("web", "ops")]
public sealed class GuardedController : ControllerBase
{
    /// <summary>Under the controller's rule alone.</summary>
    [HttpGet("all")]
    public string All() => "all";

    /// <summary>Under a rule of its own besides.</summary>
    [HttpGet("one")]
    [MeshAllow("ops", "other")]
    public string One() => "one";
}

/// <summary>A hub with a rule.</summary>
[MeshAllow("web")]
internal sealed class GuardedHub : Hub;

/// <summary>A hub with a rule where none holds.</summary>
internal sealed class HubWithARuleInside : Hub
{
    [MeshAllow("web")]
    public Task Delete() => Clients.All.SendAsync("deleted");
}
