using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using MeshClient.AspNetCore.Configuration;
using MeshClient.AspNetCore.Overload;
using MeshClient.AspNetCore.Tests.Support;
using MeshClient.Core.Intentions;
using MeshClient.Core.Overload;
using MeshClient.Overload;
using MeshClient.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.AspNetCore.Tests.Overload;

/// <summary>What an app with real sockets does with more requests than it can serve.</summary>
public sealed class InboundOverloadTests : IDisposable
{
    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly InMemoryControlPlane _plane = new();

    public InboundOverloadTests() => _plane.SetDefaultAction(IntentionAction.Allow);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _release.TrySetResult();
        _plane.Dispose();
    }

    [Fact]
    public async Task Request_BeyondTheNumber_IsShedAndTheCallerToldAll()
    {
        await using var host = await StartAsync(overload => (overload.MaxConcurrency, overload.RetryAfter) = (1, TimeSpan.FromSeconds(3)));
        using var client = host.CallerFrom("web");
        var metrics = host.Metrics;
        using var held = await HoldAsync(client);

        using var shed = await client.GetAsync("/hello", Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, shed.StatusCode);
        Assert.Equal("true", Assert.Single(shed.Headers.GetValues("x-envoy-overloaded")));
        Assert.Equal("concurrency", Assert.Single(shed.Headers.GetValues("mesh-shed")));
        Assert.Equal(TimeSpan.FromSeconds(3), shed.Headers.RetryAfter!.Delta);
        Assert.Equal("application/problem+json", shed.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(await shed.Content.ReadAsStringAsync(Token));
        Assert.Equal(503, problem.RootElement.GetProperty("status").GetInt32());
        Assert.Equal("web", problem.RootElement.GetProperty("source").GetString());
        Assert.Contains("MaxConcurrency", problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
        var counted = Assert.Single(metrics.Of("meshclient.inbound.shed"));
        Assert.Equal(("web", "concurrency"), (counted.Tags["meshclient.source"], counted.Tags["meshclient.reason"]));
        Assert.Contains("web to orders for overload (MaxConcurrency): GET /hello", Assert.Single(host.Logs.Of(120)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_StreamLasts_CountsUntilItsEnd()
    {
        await using var host = await StartAsync(overload => overload.MaxConcurrency = 1);
        using var client = host.CallerFrom("web");
        using var held = await HoldAsync(client);
        var limiter = Limiter(host);
        Assert.Equal(1, limiter.InFlight);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(client, "/hello"));

        _release.SetResult();

        Assert.Equal("beginend", await held.Content.ReadAsStringAsync(Token));
        await Eventually.HoldsAsync(() => limiter.InFlight == 0);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client, "/hello"));
    }

    [Theory]
    [InlineData("/fails", 0)]
    [InlineData("/hello", 0)]
    public async Task Request_HoweverItEnds_GivesItsPlaceBack(string path, int inFlight)
    {
        await using var host = await StartAsync(overload => overload.MaxConcurrency = 1);
        using var client = host.CallerFrom("web");
        for (var i = 0; i < 5; i++)
        {
            Assert.NotEqual(HttpStatusCode.ServiceUnavailable, await StatusAsync(client, path));
            await Eventually.HoldsAsync(() => Limiter(host).InFlight == inFlight);
        }
    }

    [Fact]
    public async Task Request_CallerGoesAway_GivesItsPlaceBack()
    {
        await using var host = await StartAsync(overload => overload.MaxConcurrency = 1);
        using (var client = host.CallerFrom("web"))
        {
            using var held = await HoldAsync(client);
            Assert.Equal(1, Limiter(host).InFlight);
        }

        await Eventually.HoldsAsync(() => Limiter(host).InFlight == 0);
    }

    [Theory]
    [InlineData(false, "14")]
    [InlineData(true, "8")]
    public async Task Request_OfGrpcBeyondTheLimit_GetsItsStatusWithoutABody(bool byRate, string status)
    {
        await using var host = await StartAsync(overload =>
        {
            overload.MaxConcurrency = byRate ? null : 1;
            overload.RateLimit = byRate ? new() { PerSecond = 0.01, Burst = 1 } : new();
        });
        using var client = host.CallerFrom("web");
        using var held = await HoldAsync(client);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/hello") { Content = new ByteArrayContent([]), Version = HttpVersion.Version20 };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");

        using var shed = await client.SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.OK, shed.StatusCode);
        Assert.Equal(status, Assert.Single(shed.Headers.GetValues("grpc-status")));
        Assert.Equal("true", Assert.Single(shed.Headers.GetValues("x-envoy-overloaded")));
        Assert.Equal(byRate ? "rate" : "concurrency", Assert.Single(shed.Headers.GetValues("mesh-shed")));
        Assert.Equal("-1", Assert.Single(shed.Headers.GetValues("grpc-retry-pushback-ms")));
        Assert.NotNull(shed.Headers.RetryAfter);
        Assert.Empty(await shed.Content.ReadAsByteArrayAsync(Token));
    }

    [Theory]
    [InlineData("/probe")]
    [InlineData("/named")]
    [InlineData("/marked")]
    [InlineData("/short")]
    public async Task Request_ToExemptEndpoint_IsNeverShed(string path)
    {
        await using var host = await StartAsync(
            overload =>
            {
                overload.MaxConcurrency = 1;
                overload.RateLimit = new() { PerSecond = 0.001, Burst = 1 };
            },
            exempt: ["/probe", "named"]);
        using var peer = host.CallerFrom("web");
        using var stranger = new HttpClient { BaseAddress = Assert.Single(host.PlainAddresses) };
        using var held = await HoldAsync(peer);
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync(peer, "/hello"));
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(peer, path));
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(stranger, path));
        }

        Assert.Equal(1, Limiter(host).InFlight);
    }

    [Fact]
    public async Task Request_DeniedAndTooMany_IsDeniedAndTakesNothing()
    {
        await using var host = await StartAsync(overload =>
        {
            overload.MaxConcurrency = 1;
            overload.RateLimit = new() { PerSecond = 0.001, Burst = 2 };
        });
        host.ControlPlane.Deny("stranger", "orders");
        using var stranger = host.CallerFrom("stranger");
        using var web = host.CallerFrom("web");
        await Eventually.HoldsAsync(async () => await StatusAsync(stranger, "/marked") == HttpStatusCode.Forbidden);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(stranger, "/hello"));
        }

        using var held = await HoldAsync(web);
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(stranger, "/hello"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(web, "/hello"));
    }

    [Fact]
    public async Task RateLimit_PerCaller_OneCannotUseUpAnothers()
    {
        await using var host = await StartAsync(overload =>
        {
            overload.CallerRateLimit = new() { PerSecond = 0.001, Burst = 2 };
            overload.CallerRateLimits["batch"] = new() { Burst = 1 };
            overload.CallerRateLimits["free"] = new() { PerSecond = 0 };
        });
        using var web = host.CallerFrom("web");
        using var batch = host.CallerFrom("batch");
        using var free = host.CallerFrom("free");

        Assert.Equal("200 200 429 429", await StatusesAsync(web, 4));
        Assert.Equal("200 429 429", await StatusesAsync(batch, 3));
        Assert.Equal("200 200 200 200", await StatusesAsync(free, 4));
        using var shed = await web.GetAsync("/hello", Token);
        Assert.InRange(shed.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(900), TimeSpan.FromSeconds(1001));
    }

    [Fact]
    public async Task Shares_LimitIsReached_OnlyThoseBelowTheirsAreServed()
    {
        await using var host = await StartAsync(overload =>
        {
            overload.MaxConcurrency = 4;
            overload.Shares["people"] = new() { Caller = "web", Percent = 50 };
            overload.Shares["batches"] = new() { Caller = "batch", Percent = 25 };
        });
        using var web = host.CallerFrom("web");
        using var batch = host.CallerFrom("batch");
        using var other = host.CallerFrom("other");
        var metrics = host.Metrics;
        var held = new List<HttpResponseMessage>();

        // Alone, batch may have all of it.
        for (var i = 0; i < 4; i++)
        {
            held.Add(await HoldAsync(batch));
        }

        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(batch, "/hello"));
        // Its share is kept for web all the same, and a quarter for the others.
        held.Add(await HoldAsync(web));
        held.Add(await HoldAsync(web));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(web, "/hello"));
        held.Add(await HoldAsync(other));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(other, "/hello"));
        Assert.Equal(["batches", "people", "(others)"], metrics.Of("meshclient.inbound.shed").Select(one => one.Tags["meshclient.share"]));
        held.ForEach(one => one.Dispose());
    }

    [Fact]
    public async Task Shares_PerPriority_IsReadFromPeersAndFromNobodyElse()
    {
        await using var host = await StartAsync(
            overload =>
            {
                overload.MaxConcurrency = 1;
                overload.Shares["urgent"] = new() { Priority = MeshPriority.High, Percent = 100 };
            });
        using var client = host.CallerFrom("web");
        using var held = await HoldAsync(client);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(client, "/hello"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(client, "/hello", MeshPriority.Low));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(client, "/hello", MeshPriority.High));
        using var stranger = new HttpClient { BaseAddress = Assert.Single(host.PlainAddresses) };
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(stranger, "/hello", MeshPriority.High));
    }

    [Fact]
    public async Task Adaptive_RequestsTakeTheSameTime_LimitGrowsWhileItIsUsed()
    {
        await using var host = await StartAsync(
            overload =>
            {
                overload.MaxConcurrency = 3;
                overload.Adaptive = new() { Enabled = true, Algorithm = LimitAlgorithm.Aimd, InitialLimit = 1, MinLimit = 1, Window = TimeSpan.FromMilliseconds(10) };
            });
        using var client = host.CallerFrom("web");
        var limiter = Limiter(host);
        Assert.Equal(1, limiter.Limit);

        await Eventually.HoldsAsync(async () =>
        {
            await StatusAsync(client, "/slow");
            return limiter.Limit == 3;
        });
        Assert.Equal(0, limiter.InFlight);
    }

    [Theory]
    [InlineData("/fails")]
    [InlineData("/fails-grpc")]
    [InlineData("/fails-grpc-in-head")]
    [InlineData("/too-many")]
    public async Task Adaptive_AnswersSayBroken_NothingIsLearned(string path)
    {
        await using var host = await StartAsync(overload => overload.Adaptive = new()
        {
            Enabled = true,
            Algorithm = LimitAlgorithm.Aimd,
            InitialLimit = 1,
            MinLimit = 1,
            Window = TimeSpan.FromMilliseconds(10),
        });
        using var client = host.CallerFrom("web");
        var started = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < 50 || TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMilliseconds(50); i++)
        {
            await StatusAsync(client, path, version: HttpVersion.Version20);
        }

        Assert.Equal(1, Limiter(host).Limit);
    }

    [Fact]
    public async Task NothingLimited_NothingStandsInTheWay()
    {
        await using var host = InboundTestHost.Create();
        var overload = host.Services.GetRequiredService<OverloadMiddleware>();
        RequestDelegate app = _ => Task.CompletedTask;

        Assert.Same(app, overload.Wrap(app));
    }

    [Fact]
    public async Task Start_WithManyMistakes_ReportsThemAllAtOnce()
    {
        var error = await Assert.ThrowsAnyAsync<Exception>(() => InboundTestHost.StartAsync(settings: new Dictionary<string, string?>
        {
            ["Mesh:Inbound:Overload:MaxConcurency"] = "1",
            ["Mesh:Inbound:Overload:RetryAfter"] = "00:00:00.5",
            ["Mesh:Inbound:Overload:Adaptive:Window"] = "00:02:00",
            ["Mesh:Inbound:Overload:Adaptive:LatencyTolerance"] = "11",
            ["Mesh:Inbound:Overload:Adaptive:BackoffRatio"] = "0.4",
            ["Mesh:Inbound:Overload:Adaptive:LatencyLimit"] = "00:20:00",
            ["Mesh:Inbound:Overload:RateLimit:PerSecond"] = "-1",
            ["Mesh:Inbound:Overload:CallerRateLimit:Burst"] = "0",
            ["Mesh:Inbound:Overload:CallerRateLimits:no service:PerSecond"] = "1",
            ["Mesh:Inbound:Overload:CallerRateLimits:empty:Caller"] = "",
            ["Mesh:Inbound:Overload:CallerRateLimits:nobody:Caller"] = "spiffe://partner.test/no/service",
            ["Mesh:Inbound:Overload:CallerRateLimits:once:Caller"] = "spiffe://partner.test",
            ["Mesh:Inbound:Overload:CallerRateLimits:twice:Caller"] = "spiffe://PARTNER.test",
            ["Mesh:Inbound:Overload:CallerRateLimits:twice:Burst"] = "0",
            ["Mesh:Inbound:Overload:Shares:a:Percent"] = "101",
            ["Mesh:Inbound:Overload:Shares:a:Caller"] = "web",
            ["Mesh:Inbound:Overload:Shares:b:Percent"] = "1",
            ["Mesh:Inbound:Overload:Shares:b:Caller"] = "web",
            ["Mesh:Inbound:Overload:Shares:c:Percent"] = "1",
            ["Mesh:Inbound:Overload:Shares:d:Percent"] = "1",
            ["Mesh:Inbound:Overload:Shares:d:Caller"] = "spiffe://no one",
        }));

        foreach (var key in new[]
        {
            "MaxConcurency is not a known setting", "RetryAfter is 00:00:00.5", "Adaptive:Window is 00:02:00",
            "Adaptive:LatencyTolerance is 11", "Adaptive:BackoffRatio is 0.4", "Adaptive:LatencyLimit is 00:20:00", "RateLimit:PerSecond is -1",
            "CallerRateLimit:Burst is 0", "CallerRateLimits:no service is not a service name", "CallerRateLimits:empty:Caller is ''",
            "CallerRateLimits:nobody:Caller is 'spiffe://partner.test/no/service'", "CallerRateLimits has the same caller in 'once' and 'twice'",
            "CallerRateLimits:twice:Burst is 0", "Shares:a:Percent is 101",
            "Shares has the same caller and priority in 'a' and 'b'", "Shares:c:Caller is ''", "Shares:d:Caller is 'spiffe://no one'", "Shares come to 104 %",
            "Shares are of a limit, but there is none",
        })
        {
            Assert.Contains($"Mesh:Inbound:Overload:{key}", error.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Validate_BoundsOfALearnedLimitContradict_IsToldWithTheWholeKey()
    {
        var options = new MeshInboundOptions { Overload = { Adaptive = { Enabled = true, MinLimit = 8, InitialLimit = 7, MaxLimit = 9 } } };

        var failure = Assert.Single(new MeshInboundOptionsValidator().Validate(null, options).Failures!);

        Assert.StartsWith("Mesh:Inbound:Overload:Adaptive:MinLimit, InitialLimit and MaxLimit are 8, 7 and 9", failure, StringComparison.Ordinal);
    }

    private static InboundLimiter Limiter(InboundTestHost host) => host.Services.GetRequiredService<OverloadMiddleware>().Limiter!;

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client, string path, MeshPriority? priority = null, Version? version = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = version ?? HttpVersion.Version11 };
        if (priority is { } some)
        {
            request.SetMeshPriority(some);
        }

        using var response = await client.SendAsync(request, Token);
        return response.StatusCode;
    }

    private static async Task<string> StatusesAsync(HttpClient client, int count)
    {
        var statuses = new int[count];
        for (var i = 0; i < count; i++)
        {
            statuses[i] = (int)await StatusAsync(client, "/hello");
        }

        return string.Join(' ', statuses);
    }

    private static async Task<HttpResponseMessage> HoldAsync(HttpClient client)
    {
        var response = await client.GetAsync("/held", HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return response;
    }

    private Task<InboundTestHost> StartAsync(Action<MeshInboundOverloadOptions> overload, string[]? exempt = null) => InboundTestHost.StartAsync(
        map: app =>
        {
            app.Urls.Add("http://127.0.0.1:0");
            app.MapGet("/hello", () => "hello");
            // Slow enough to be learned from, if they could be.
            app.MapGet("/fails", async Task () =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token);
                throw new InvalidOperationException();
            });
            app.MapGet("/fails-grpc", async (HttpContext context) =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token);
                context.Response.ContentType = "application/grpc";
                context.Response.AppendTrailer("grpc-status", "13");
            });
            app.MapGet("/fails-grpc-in-head", async (HttpContext context) =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token);
                context.Response.ContentType = "application/grpc";
                context.Response.Headers["grpc-status"] = "13";
            });
            app.MapGet("/too-many", async () =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token);
                return Results.StatusCode(StatusCodes.Status429TooManyRequests);
            });
            app.MapGet("/slow", () => Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token));
            app.MapGet("/probe", () => "ok");
            app.MapGet("/named", () => "ok").WithName("named");
            app.MapGet("/marked", () => "ok").AllowWithoutMesh();
            app.MapGet("/short", () => "ok").AllowWithoutMesh().ShortCircuit();
            app.MapGet("/held", async (HttpContext context) =>
            {
                await context.Response.WriteAsync("begin", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await _release.Task.WaitAsync(context.RequestAborted);
                await context.Response.WriteAsync("end", context.RequestAborted);
            });
        },
        inbound: options =>
        {
            overload(options.Overload);
            options.ExemptEndpoints = exempt ?? [];
        },
        controlPlane: _plane);
}
