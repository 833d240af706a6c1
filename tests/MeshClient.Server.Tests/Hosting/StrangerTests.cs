using System.Collections.Concurrent;
using System.Net;
using System.Security.Claims;
using System.Text.Encodings.Web;
using MeshClient.Server.Hosting;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.Server.Tests.Hosting;

/// <summary>Who gets private keys from endpoints that an app has mapped.</summary>
public sealed class StrangerTests
{
    private const string LeafPath = "/v1/agent/connect/ca/leaf/web";
    private const string Stranger = "10.1.2.3";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("127.0.0.1", "http", HttpStatusCode.OK)]
    [InlineData("::1", "https", HttpStatusCode.OK)]
    [InlineData("::ffff:127.0.0.1", "https", HttpStatusCode.OK)]
    [InlineData(Stranger, "http", HttpStatusCode.Forbidden)]
    [InlineData(Stranger, "https", HttpStatusCode.Forbidden)]
    [InlineData("::ffff:10.1.2.3", "https", HttpStatusCode.Forbidden)]
    public async Task Leaf_OfEndpointsWithoutAuthorization_IsForThisMachineOnly(string caller, string scheme, HttpStatusCode status)
    {
        await using var app = await StartAsync(caller, scheme, _ => { }, _ => { });
        Assert.Equal(status, (await AskAsync(app)).Status);
    }

    [Fact]
    public async Task Leaf_OfAStrangerOverHttps_SaysWhatToDo()
    {
        await using var app = await StartAsync(Stranger, "https", _ => { }, _ => { });
        var (_, text) = await AskAsync(app);
        Assert.Contains("RequireAuthorization()", text, StringComparison.Ordinal);
        Assert.Contains("AllowUnauthenticatedBeyondLoopback", text, StringComparison.Ordinal);
        Assert.Empty(app.Services.GetRequiredService<HostedMeshServer>().Core.Store.Current.Leaves);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Leaf_OfEndpointsWithAuthorization_IsForThoseWhoHaveIt(bool byPolicy)
    {
        await using var app = await StartAsync(
            Stranger, "https", _ => { },
            endpoints => _ = byPolicy ? endpoints.RequireAuthorization(policy => policy.RequireUserName("member")) : endpoints.RequireAuthorization());
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(app)).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(app, "member")).Status);
    }

    [Fact]
    public async Task Leaf_OfEndpointsWhoseAuthorizationIsLiftedAgain_IsForThisMachineOnly()
    {
        await using var app = await StartAsync(Stranger, "https", _ => { }, endpoints => endpoints.RequireAuthorization().AllowAnonymous());
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync(app)).Status);
    }

    [Fact]
    public async Task Leaf_OfEndpointsWithABarePolicy_IsForThisMachineOnly()
    {
        await using var app = await StartAsync(
            Stranger, "https", _ => { },
            endpoints => endpoints.WithMetadata(new AuthorizationPolicyBuilder().RequireAssertion(_ => true).Build()));
        Assert.Equal(HttpStatusCode.Forbidden, (await AskAsync(app)).Status);
    }

    [Theory]
    [InlineData("https", true, HttpStatusCode.OK)]
    [InlineData("http", true, HttpStatusCode.Forbidden)]
    [InlineData("http", false, HttpStatusCode.OK)]
    [InlineData("https", false, HttpStatusCode.Forbidden)]
    public async Task Leaf_WhenStrangersAreAllowed_IsForThemByThatSchemeAndWarnedOf(string scheme, bool unauthenticated, HttpStatusCode status)
    {
        var logs = new Warnings();
        await using var app = await StartAsync(
            Stranger, scheme,
            options => (options.AllowUnauthenticatedBeyondLoopback, options.AllowPlaintextBeyondLoopback) = (unauthenticated, !unauthenticated),
            _ => { }, logs);
        Assert.Equal(status, (await AskAsync(app)).Status);
        var option = unauthenticated ? "AllowUnauthenticatedBeyondLoopback" : "AllowPlaintextBeyondLoopback";
        Assert.Contains(logs.Lines, line => line.StartsWith(option, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(DefaultAccessPolicy.Allow, "These endpoints are for this machine only")]
    [InlineData(DefaultAccessPolicy.Deny, "Permission denied")]
    public async Task Leaf_OfAStrangerWithoutAToken_IsRefusedWhateverTheDefaultPolicy(DefaultAccessPolicy policy, string text)
    {
        await using var app = await StartAsync(
            Stranger, "https", options => (options.AccessControl.Enabled, options.AccessControl.DefaultPolicy) = (true, policy), _ => { });
        var answer = await AskAsync(app);
        Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
        Assert.StartsWith(text, answer.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DefaultAccessPolicy.Allow, 3)]
    [InlineData(DefaultAccessPolicy.Deny, 1)]
    public async Task Start_WithTokens_WarnsOfWhatStrangersCanStillDo(DefaultAccessPolicy policy, int warnings)
    {
        var logs = new Warnings();
        await using var app = await StartAsync(
            "127.0.0.1", "https",
            options =>
            {
                (options.AllowPlaintextBeyondLoopback, options.AllowUnauthenticatedBeyondLoopback) = (true, true);
                (options.AccessControl.Enabled, options.AccessControl.DefaultPolicy) = (true, policy);
            },
            _ => { }, logs);
        var lines = logs.Lines.Where(line => line.Contains("BeyondLoopback", StringComparison.Ordinal)).ToList();
        Assert.Equal(warnings, lines.Count);
        Assert.Contains(lines, line => line.Contains("tokens and private keys travel in plain text", StringComparison.Ordinal));
        Assert.Equal(warnings - 1, lines.Count(line => line.Contains("gets the private key of any service", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Start_WithoutLeaveForStrangers_WarnsOfNone()
    {
        var logs = new Warnings();
        await using var app = await StartAsync("127.0.0.1", "https", _ => { }, _ => { }, logs);
        Assert.DoesNotContain(logs.Lines, line => line.Contains("BeyondLoopback", StringComparison.Ordinal));
    }

    // The app believes to be called from elsewhere and by another scheme, as a proxy's headers make it do.
    private static async Task<WebApplication> StartAsync(
        string caller, string scheme, Action<MeshServerOptions> configure, Action<IEndpointConventionBuilder> require, Warnings? logs = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRoutingCore();
        builder.Services.AddAuthentication("header").AddScheme<AuthenticationSchemeOptions, HeaderHandler>("header", null);
        builder.Services.AddAuthorization();
        builder.Services.AddMeshServer(configure);
        if (logs is not null)
        {
            builder.Logging.AddProvider(logs);
        }

        var app = builder.Build();
        app.Use((context, next) =>
        {
            context.Connection.RemoteIpAddress = IPAddress.Parse(caller);
            context.Request.Scheme = scheme;
            return next(context);
        });
        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
        require(app.MapMeshServer());
        await app.StartAsync(Cancellation);
        return app;
    }

    private static async Task<(HttpStatusCode Status, string Text)> AskAsync(WebApplication app, string? user = null)
    {
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        using var http = new HttpClient { BaseAddress = new Uri(address) };
        using var request = new HttpRequestMessage(HttpMethod.Get, LeafPath);
        request.Headers.Add("X-User", user is null ? [] : [user]);
        using var response = await http.SendAsync(request, Cancellation);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancellation));
    }

    private sealed class HeaderHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logs, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logs, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            if (Request.Headers["X-User"].ToString() is not { Length: > 0 } user)
            {
                return Task.FromResult(AuthenticateResult.NoResult());
            }

            var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, user)], Scheme.Name);
            return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme.Name)));
        }
    }

    private sealed class Warnings : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                Lines.Enqueue(formatter(state, exception));
            }
        }

        public void Dispose()
        {
        }
    }
}
