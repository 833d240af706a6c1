using System.Net;
using System.Security.Claims;
using System.Text.Json;
using MeshClient.AspNetCore.Authorization;
using MeshClient.AspNetCore.Peers;
using MeshClient.AspNetCore.Tests.Endpoints;
using MeshClient.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MeshClient.AspNetCore.Tests.Authorization;

/// <summary>Policies of ASP.NET that ask for a peer of the mesh.</summary>
public sealed class MeshPeerRequirementTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("web", HttpStatusCode.OK)]
    [InlineData("other", HttpStatusCode.Forbidden)]
    public async Task Policy_ThatRequiresPeers_IsAskedByUseAuthorization(string caller, HttpStatusCode status)
    {
        await using var host = await StartAsync(useAuthorization: true);
        using var client = host.CallerFrom(caller);

        using var response = await client.GetAsync("/orders", Token);

        Assert.Equal(status, response.StatusCode);
        if (status == HttpStatusCode.Forbidden)
        {
            using var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token));
            Assert.Equal("policy:/orders", problem.RootElement.GetProperty("rule").GetString());
            Assert.Contains("by rule policy:/orders", Assert.Single(host.Logs.Of(101)).Text, StringComparison.Ordinal);
        }

        Assert.Empty(host.Logs.Of(115));
    }

    [Fact]
    public async Task Policy_WithoutUseAuthorization_ServesNobody()
    {
        var served = 0;
        await using var host = await StartAsync(useAuthorization: false, () => served++);
        foreach (var caller in (string[])["web", "other"])
        {
            using var client = host.CallerFrom(caller);
            using var response = await client.GetAsync("/orders", Token);
            Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        }

        Assert.Equal(0, served);
    }

    [Fact]
    public async Task Policy_WithAPrincipalThatClaimsToBeAPeer_IsNotTakenIn()
    {
        // Whatever authentication the app has, its claims prove no peer.
        await using var host = await StartAsync(useAuthorization: true, before: app => app.Use(next => context =>
        {
            context.User = new ClaimsPrincipal(new ClaimsIdentity(
                [new Claim(MeshClaimTypes.Service, "web"), new Claim(MeshClaimTypes.SpiffeId, "spiffe://x/ns/default/dc/dc1/svc/web")],
                MeshClaimTypes.AuthenticationType));
            return next(context);
        }));
        using var client = host.CallerFrom("other");

        using var response = await client.GetAsync("/orders", Token);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Theory]
    [InlineData("web", true)]
    [InlineData("other", false)]
    public async Task Policy_AskedOfAThingOfTheApps_GoesByThePeerOfTheUser(string caller, bool expected)
    {
        var policy = new AuthorizationPolicyBuilder().RequireMeshPeer("web").Build();
        await using var host = await InboundTestHost.StartAsync(
            app => app.MapGet("/may", async (HttpContext context, IAuthorizationService authorization) =>
                (await authorization.AuthorizeAsync(context.User, new object(), policy)).Succeeded),
            build: builder => builder.Services.AddAuthorization(),
            controlPlane: EndpointRuleTests.OpenPlane());
        using var client = host.CallerFrom(caller);

        Assert.Equal(expected ? "true" : "false", await client.GetStringAsync("/may", Token));
    }

    [Fact]
    public async Task Policy_ThatRefusesTheUser_IsAnsweredByTheAppsOwnHandler()
    {
        await using var host = await StartAsync(
            useAuthorization: true,
            build: services => services.AddSingleton<IAuthorizationMiddlewareResultHandler, Teapot>(),
            requireUser: true);
        using var web = host.CallerFrom("web");
        using var other = host.CallerFrom("other");

        Assert.Equal(418, (int)(await web.GetAsync("/orders", Token)).StatusCode);
        Assert.Equal(418, (int)(await other.GetAsync("/orders", Token)).StatusCode);
        // It has taken our place, and that is told.
        Assert.Contains(typeof(Teapot).FullName!, Assert.Single(host.Logs.Of(115)).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Start_HandlersThatAspNetDoesNotGet_AreNoReplacement(bool isRemoved)
    {
        await using var host = await StartAsync(
            useAuthorization: false,
            build: services =>
            {
                if (isRemoved)
                {
                    services.RemoveAll<IAuthorizationMiddlewareResultHandler>();
                }

                services.AddKeyedSingleton<IAuthorizationMiddlewareResultHandler, Teapot>("other");
            });

        Assert.Empty(host.Logs.Of(115));
    }

    [Fact]
    public async Task Policy_WithAHandlerTheAppAddedBefore_GoesOnToIt()
    {
        var services = new ServiceCollection();
        services.AddSingleton<IAuthorizationMiddlewareResultHandler, Teapot>();
        services.AddKeyedSingleton<IAuthorizationMiddlewareResultHandler, Never>("other");
        services.AddLogging();
        services.AddMeshInbound();
        services.AddSingleton<Microsoft.Extensions.Hosting.IHostEnvironment>(new Microsoft.Extensions.Hosting.Internal.HostingEnvironment());
        await using var provider = services.BuildServiceProvider();
        var context = new DefaultHttpContext { RequestServices = provider };

        await provider.GetRequiredService<IAuthorizationMiddlewareResultHandler>().HandleAsync(
            _ => Task.CompletedTask, context, new AuthorizationPolicyBuilder().RequireMeshPeer().Build(), PolicyAuthorizationResult.Challenge());

        Assert.IsNotType<Teapot>(provider.GetRequiredService<IAuthorizationMiddlewareResultHandler>());
        Assert.Equal(418, context.Response.StatusCode);
    }

    private static Task<InboundTestHost> StartAsync(
        bool useAuthorization,
        Action? served = null,
        Action<WebApplication>? before = null,
        Action<IServiceCollection>? build = null,
        bool requireUser = false) => InboundTestHost.StartAsync(
        app =>
        {
            before?.Invoke(app);
            if (useAuthorization)
            {
                app.UseRouting();
                app.UseAuthorization();
            }
            else
            {
                // As in an app of the generic host, where nobody adds it by himself.
                ((IApplicationBuilder)app).Properties["__AuthorizationMiddlewareSet"] = true;
            }

            app.MapGet("/orders", () => served?.Invoke()).RequireAuthorization(policy =>
            {
                policy.RequireMeshPeer("web");
                if (requireUser)
                {
                    policy.RequireClaim("user");
                }
            });
        },
        build: builder =>
        {
            builder.Services.AddAuthorization();
            build?.Invoke(builder.Services);
        },
        controlPlane: EndpointRuleTests.OpenPlane());

    private sealed class Never : IAuthorizationMiddlewareResultHandler
    {
        public Task HandleAsync(
            RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult) =>
            throw new InvalidOperationException("Nobody asks for it by its key.");
    }

    private sealed class Teapot : IAuthorizationMiddlewareResultHandler
    {
        public Task HandleAsync(
            RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
        {
            context.Response.StatusCode = StatusCodes.Status418ImATeapot;
            return Task.CompletedTask;
        }
    }
}
