using System.Net;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Endpoints;

public sealed class ExemptEndpointsTests
{
    private const string Secret = "for peers only";

    [Theory]
    [InlineData("/healthz", HttpStatusCode.OK)]
    [InlineData("/HEALTHZ", HttpStatusCode.OK)]
    [InlineData("/shop/7", HttpStatusCode.OK)]
    [InlineData("/shop/seven", HttpStatusCode.Forbidden)]
    [InlineData("/shop/special", HttpStatusCode.Forbidden)]
    [InlineData("/probe", HttpStatusCode.OK)]
    [InlineData("/PROBE", HttpStatusCode.Forbidden)]
    [InlineData("/hello", HttpStatusCode.Forbidden)]
    [InlineData("/branch", HttpStatusCode.Forbidden)]
    [InlineData("/", HttpStatusCode.Forbidden)]
    [InlineData("/nowhere", HttpStatusCode.Forbidden)]
    [InlineData("/healthz/../hello", HttpStatusCode.Forbidden)]
    [InlineData("/short", HttpStatusCode.OK)]
    [InlineData("/short-secret", HttpStatusCode.Forbidden)]
    public async Task Request_OverPlainListener_ReachesExemptEndpointsOnly(string path, HttpStatusCode status)
    {
        await using var host = await StartAsync();
        using var client = new HttpClient { BaseAddress = Assert.Single(host.PlainAddresses) };

        using var response = await client.GetAsync(path, TestContext.Current.CancellationToken);

        Assert.Equal(status, response.StatusCode);
        Assert.DoesNotContain(Secret, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_OverPlainListenerWithOtherMethod_DoesNotReachTheUnexemptTwin()
    {
        await using var host = await StartAsync();
        using var client = new HttpClient { BaseAddress = Assert.Single(host.PlainAddresses) };

        using var response = await client.PostAsync("/healthz", null, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task Request_ThatPretendsAPeer_OverPlainListenerIsDenied()
    {
        await using var host = await StartAsync();
        using var client = new HttpClient { BaseAddress = Assert.Single(host.PlainAddresses) };
        client.DefaultRequestHeaders.Add("X-Forwarded-Client-Cert", "URI=spiffe://x/ns/default/dc/dc1/svc/web");

        using var response = await client.GetAsync("/hello", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains("no-peer", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_DivertedAfterTheDecision_IsTornDown()
    {
        // The path leads to an exempt endpoint, but a middleware in between answers with something else.
        await using var host = await StartAsync(app =>
        {
            app.Use(next => context => context.Request.Path == "/healthz" ? context.Response.WriteAsync(Secret) : next(context));
            app.UseRouting();
        });
        using var client = new HttpClient { BaseAddress = Assert.Single(host.PlainAddresses) };

        using var response = await client.GetAsync("/healthz", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.DoesNotContain(Secret, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_RewrittenAfterTheDecision_IsDeniedByTheRoutingThatFollows()
    {
        await using var host = await StartAsync(app =>
        {
            app.Use(next => context =>
            {
                context.Request.Path = "/hello";
                return next(context);
            });
            app.UseRouting();
        });
        using var client = new HttpClient { BaseAddress = Assert.Single(host.PlainAddresses) };

        using var response = await client.GetAsync("/healthz", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task Request_OverMeshListener_IsDecidedByIntentionsEvenForExemptEndpoints()
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("stranger");

        using var response = await client.GetAsync("/healthz", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task Request_AllowedOverMeshListener_ReachesAllEndpoints()
    {
        await using var host = await StartAsync();
        using var client = host.CallerFrom("web");

        Assert.Equal(Secret, await client.GetStringAsync("/hello", TestContext.Current.CancellationToken));
        Assert.Equal(Secret, await client.GetStringAsync("/branch", TestContext.Current.CancellationToken));
        Assert.Equal("well", await client.GetStringAsync("/healthz", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Endpoint_ReachedThroughAPipelineBuiltByHand_Refuses()
    {
        await using var host = await StartAsync();
        var builder = new ApplicationBuilder(host.Services);
        builder.UseRouting();
        builder.UseEndpoints(endpoints => endpoints.MapGet("/side-door/{**rest}", () => Secret).AllowWithoutMesh());
        var app = builder.Build();
        for (var i = 0; i < 3; i++)
        {
            var context = new DefaultHttpContext { RequestServices = host.Services };
            context.Request.Method = "GET";
            context.Request.Path = $"/side-door/\n{new string('a', 500)}";
            using var body = new MemoryStream();
            context.Response.Body = body;

            await app(context);

            Assert.Equal(500, context.Response.StatusCode);
            Assert.Contains("not-enforced", System.Text.Encoding.UTF8.GetString(body.ToArray()), StringComparison.Ordinal);
        }

        // One line for them all, and nothing of a caller's making in it.
        var line = Assert.Single(host.Logs.Of(102));
        Assert.Contains($"at /side-door/%0A{new string('a', 242)}... without", line.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Enforcement_WhenDisabled_LetsTheAppRunAlone()
    {
        await using var host = await StartAsync(inbound: options => options.Enabled = false);
        using var client = new HttpClient { BaseAddress = new Uri(Assert.Single(host.App.Urls)) };

        Assert.Equal(Secret, await client.GetStringAsync("/hello", TestContext.Current.CancellationToken));
        Assert.Single(host.Logs.Of(105));
        Assert.Empty(host.ControlPlane.Registrations);
    }

    [Fact]
    public async Task Start_WithNameThatNoEndpointHas_SaysSo()
    {
        await using var host = await StartAsync(inbound: options => options.ExemptEndpoints = ["health", "helth"]);

        Assert.Contains("'helth'", Assert.Single(host.Logs.Of(107)).Text, StringComparison.Ordinal);
    }

    private static Task<InboundTestHost> StartAsync(
        Action<WebApplication>? before = null, Action<MeshInboundOptions>? inbound = null)
    {
        var plane = new InMemoryControlPlane();
        plane.SetDefaultAction(IntentionAction.Deny);
        plane.Allow("web", "orders");
        return InboundTestHost.StartAsync(
            map: app =>
            {
                app.Urls.Add("http://127.0.0.1:0");
                before?.Invoke(app);
                app.Map("/branch", branch => branch.Run(context => context.Response.WriteAsync(Secret)));
                app.MapGet("/healthz", () => "well").WithName("health");
                app.MapPost("/healthz", () => Secret);
                app.MapGet("/probe", () => "well");
                app.MapGet("/hello", () => Secret);
                app.MapGet("/shop/{id:int}", (int id) => $"item {id}").AllowWithoutMesh();
                app.MapGet("/shop/special", () => Secret);
                app.MapGet("/short", () => "short").AllowWithoutMesh().ShortCircuit();
                app.MapGet("/short-secret", () => Secret).ShortCircuit();
            },
            inbound: options =>
            {
                options.ExemptEndpoints = ["health", "/probe"];
                inbound?.Invoke(options);
            },
            controlPlane: plane);
    }
}
