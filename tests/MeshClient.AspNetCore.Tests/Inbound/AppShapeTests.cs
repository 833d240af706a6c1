using System.Security.Claims;
using System.Text.Encodings.Web;
using MeshClient.AspNetCore.Listener;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Tests.Inbound;

/// <summary>The ways apps are put together, beside the bare one the other tests use.</summary>
public sealed class AppShapeTests
{
    private static readonly Dictionary<string, string?> Settings = new()
    {
        ["Mesh:Service"] = "orders",
        ["Mesh:Inbound:Address"] = "127.0.0.1:0",
        ["Mesh:Registration:DrainDelay"] = "00:00:00",
    };

    [Fact]
    public async Task Call_ToAnAppOfTheDefaultBuilder_IsEnforced()
    {
        using var plane = OpenPlane();
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemoryCollection(Settings);
        builder.Logging.ClearProviders();
        AddPlane(builder.Services, plane).AddMeshInbound();
        await using var app = builder.Build();
        app.MapGet("/hello", () => "hello");
        await app.StartAsync(TestContext.Current.CancellationToken).Bounded();

        await AssertEnforcedAsync(app.Services, plane);
        await app.StopAsync(TestContext.Current.CancellationToken).Bounded();
        Assert.Single(plane.Deregistrations);
    }

    [Fact]
    public async Task Call_ToAnAppOfTheGenericHostWithoutRouting_IsEnforced()
    {
        using var plane = OpenPlane();
        using var host = Host.CreateDefaultBuilder()
            .ConfigureLogging(logging => logging.ClearProviders())
            .ConfigureAppConfiguration(configuration => configuration.AddInMemoryCollection(Settings))
            .ConfigureWebHostDefaults(web => web.Configure(app => app.Run(context => context.Response.WriteAsync("hello"))))
            .ConfigureServices(services => AddPlane(services, plane).AddMeshInbound())
            .Build();
        await host.StartAsync(TestContext.Current.CancellationToken).Bounded();

        await AssertEnforcedAsync(host.Services, plane);
        await host.StopAsync(TestContext.Current.CancellationToken).Bounded();
        Assert.Single(plane.Deregistrations);
    }

    [Theory]
    [InlineData("none", "Mesh/web")]
    [InlineData("alice", "Test/alice")]
    public async Task User_WithAuthenticationOfTheApp_IsTheAppsWhenItFindsOne(string user, string expected)
    {
        await using var host = await InboundTestHost.StartAsync(
            controlPlane: OpenPlane(),
            build: builder =>
            {
                builder.Services.AddAuthentication("Test").AddScheme<AuthenticationSchemeOptions, HeaderAuthentication>("Test", null);
                builder.Services.AddAuthorization();
            },
            map: app =>
            {
                app.UseAuthentication();
                app.UseAuthorization();
                app.MapGet("/who", (HttpContext context) => $"{context.User.Identity!.AuthenticationType}/{context.User.Identity.Name}")
                    .RequireAuthorization();
            });
        using var client = host.CallerFrom("web");
        client.DefaultRequestHeaders.Add("X-User", user);

        Assert.Equal(expected, await client.GetStringAsync("/who", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task User_ChangedInOneRequest_IsUntouchedInTheNextOnTheConnection()
    {
        await using var host = await InboundTestHost.StartAsync(controlPlane: OpenPlane(), map: app => app.MapGet("/claims", (HttpContext context) =>
        {
            var count = context.User.Identities.Count();
            context.User.AddIdentity(new ClaimsIdentity("extra"));
            return count;
        }));
        using var client = host.CallerFrom("web");

        Assert.Equal("1", await client.GetStringAsync("/claims", TestContext.Current.CancellationToken));
        Assert.Equal("1", await client.GetStringAsync("/claims", TestContext.Current.CancellationToken));
    }

    private static InMemoryControlPlane OpenPlane()
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Allow);
        plane.Deny("stranger", "orders");
        return plane;
    }

    private static IServiceCollection AddPlane(IServiceCollection services, InMemoryControlPlane plane) => services
        .AddSingleton<IIntentionSource>(plane)
        .AddSingleton<ITrustBundleSource>(plane)
        .AddSingleton<ILeafCertificateSource>(plane)
        .AddSingleton<IServiceRegistrar>(plane);

    private static async Task AssertEnforcedAsync(IServiceProvider services, InMemoryControlPlane plane)
    {
        var address = new Uri($"https://127.0.0.1:{services.GetRequiredService<MeshListener>().EndPoint!.Port}");
        foreach (var (service, status) in new[] { ("web", 200), ("stranger", 403) })
        {
            var leaf = plane.Authority.IssueLeaf(MeshClient.Core.Naming.ServiceName.Parse(service));
            using var handler = new SocketsHttpHandler { SslOptions = MeshCaller.TlsOptions(plane.Authority.Bundle, MeshCaller.ContextOf(leaf)) };
            using var client = new HttpClient(handler) { BaseAddress = address, Timeout = Eventually.Bound };
            using var response = await client.GetAsync("/hello", TestContext.Current.CancellationToken);
            Assert.Equal(status, (int)response.StatusCode);
        }

        await plane.WaitForAsync(one => one.Registrations.Count == 1, cancellationToken: TestContext.Current.CancellationToken);
    }

    private sealed class HeaderAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            var user = Request.Headers["X-User"].ToString();
            return Task.FromResult(user == "none"
                ? AuthenticateResult.NoResult()
                : AuthenticateResult.Success(new AuthenticationTicket(
                    new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, user)], "Test")), Scheme.Name)));
        }
    }
}
