using System.Globalization;
using MeshClient.Balancing;
using MeshClient.Core.ControlPlane;
using MeshClient.Outbound;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Telemetry;

/// <summary>Each instrument once: when it is recorded, its unit, its tags.</summary>
public sealed class MetricsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task CallAndAttemptDuration_GoodCall_AreTagged()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        var peer = await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);

        var call = Assert.Single(meters.Of("meshclient.call.duration"));
        Assert.Equal("s", call.Unit);
        Assert.InRange(call.Value, 0.00001, 20);
        Assert.Equal(
            "http.request.method=GET http.request.resend_count=0 http.response.status_code=200 meshclient.outcome=success meshclient.service=orders",
            Tags(call));
        var attempt = Assert.Single(meters.Of("meshclient.attempt.duration"));
        Assert.Equal("s", attempt.Unit);
        Assert.InRange(attempt.Value, 0.00001, call.Value + 0.0001);
        Assert.Equal(
            $"http.response.status_code=200 meshclient.instance=orders-127.0.0.1-{peer.Port} meshclient.outcome=success meshclient.service=orders "
            + $"server.address=127.0.0.1 server.port={peer.Port}",
            Tags(attempt));
        Assert.Empty(meters.Of("meshclient.retries"));
        Assert.Empty(meters.Of("meshclient.retry_budget.exhausted"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task CallAndAttemptDuration_GoodCallsOfManyKinds_AreTaggedEachAsItIs()
    {
        using var meters = new MetricRecorder();
        // In turn, so that each instance is called again after another was.
        await using var env = new MeshTestEnvironment(
            options => options.Defaults.Balancing.Policy = BalancingPolicy.RoundRobin, services: meters.Attach);
        foreach (var service in (string[])["orders", "orders", "payments"])
        {
            await env.StartAsync(service, context =>
            {
                context.Response.StatusCode = int.Parse(context.Request.Query["status"]!, CultureInfo.InvariantCulture);
                context.Response.Headers["x-port"] = $"{context.Connection.LocalPort}";
                return Task.CompletedTask;
            });
        }

        // Each kind twice at least, one right after the other and later on; more kinds than are kept.
        var kinds = new (HttpMethod Method, int Status)[]
        {
            (HttpMethod.Get, 200), (HttpMethod.Get, 200), (HttpMethod.Put, 200), (HttpMethod.Get, 204), (HttpMethod.Get, 404), (HttpMethod.Put, 201),
            (HttpMethod.Delete, 200), (HttpMethod.Get, 202), (HttpMethod.Options, 200), (HttpMethod.Get, 404), (HttpMethod.Get, 301),
            (HttpMethod.Put, 204), (HttpMethod.Delete, 204),
        };
        var (calls, attempts) = (new List<string>(), new List<string>());
        for (var round = 0; round < 3; round++)
        {
            foreach (var (method, status) in kinds)
            {
                foreach (var service in (string[])["orders", "payments", "orders"])
                {
                    using var request = new HttpRequestMessage(method, $"http://{service}/?status={status}");
                    using var response = await env.Client().SendAsync(request, Token);
                    Assert.Equal(status, (int)response.StatusCode);
                    var error = status == 404 ? "error.type=404 " : "";
                    var port = Assert.Single(response.Headers.GetValues("x-port"));
                    calls.Add(
                        $"{error}http.request.method={method} http.request.resend_count=0 http.response.status_code={status} meshclient.outcome=success meshclient.service={service}");
                    attempts.Add(
                        $"{error}http.response.status_code={status} meshclient.instance={service}-127.0.0.1-{port} meshclient.outcome=success meshclient.service={service} "
                        + $"server.address=127.0.0.1 server.port={port}");
                }
            }
        }

        Assert.Equal(calls, meters.Of("meshclient.call.duration").Select(Tags));
        Assert.Equal(attempts, meters.Of("meshclient.attempt.duration").Select(Tags));
        Assert.Equal(3, meters.Of("meshclient.attempt.duration").Select(attempt => attempt.Tag("meshclient.instance")).Distinct().Count());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task CallDuration_AHealedCallAfterGoodOnes_TellsOfTheRetry()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        var fails = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", context =>
            {
                context.Response.StatusCode = Interlocked.Exchange(ref fails, 0) == 1 ? 503 : 200;
                return Task.CompletedTask;
            });
        }

        foreach (var isHealed in (bool[])[false, false, true, false])
        {
            fails = isHealed ? 1 : 0;
            (await env.Client().GetAsync("http://orders/", Token)).Dispose();
        }

        Assert.Equal([0, 0, 1, 0], meters.Of("meshclient.call.duration").Select(call => call.Tag("http.request.resend_count")));
        Assert.Equal(5, meters.Of("meshclient.attempt.duration").Count);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Retries_HealedCall_OneCallTwoAttemptsOneRetry()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        var requests = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", context =>
            {
                context.Response.StatusCode = Interlocked.Increment(ref requests) == 1 ? 503 : 200;
                return Task.CompletedTask;
            });
        }

        using var response = await env.Client().GetAsync("http://orders/", Token);
        var call = Assert.Single(meters.Of("meshclient.call.duration"));
        Assert.Equal((1, "success"), (call.Tag("http.request.resend_count"), call.Tag("meshclient.outcome")));
        var retry = Assert.Single(meters.Of("meshclient.retries"));
        Assert.Equal((1.0, "meshclient.service=orders"), (retry.Value, Tags(retry)));
        var attempts = meters.Of("meshclient.attempt.duration");
        Assert.Equal(["failure", "success"], attempts.Select(attempt => attempt.Tag("meshclient.outcome")));
        Assert.Equal(["503", null], attempts.Select(attempt => attempt.Tag("error.type")));
        Assert.NotEqual(attempts[0].Tag("meshclient.instance"), attempts[1].Tag("meshclient.instance"));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(404, "success", "404")]
    [InlineData(500, "failure", "500")]
    public async Task CallDuration_Status_IsTold(int status, string outcome, string error)
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });
        using var response = await env.Client().GetAsync("http://orders/", Token);
        foreach (var one in meters.Of("meshclient.call.duration").Concat(meters.Of("meshclient.attempt.duration")))
        {
            Assert.Equal((outcome, error, status), (one.Tag("meshclient.outcome"), one.Tag("error.type"), one.Tag("http.response.status_code")));
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task AttemptDuration_OwnTimeLimit_IsAFailureAndNamedLikeTheCalls()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(
            options =>
            {
                options.Defaults.AttemptTimeout = TimeSpan.FromMilliseconds(100);
                options.Defaults.MaxRetries = 0;
            },
            services: meters.Attach);
        env.StartRaw("orders", async (stream, _, token) => await stream.ReadExactlyAsync(new byte[100_000], token));
        await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        foreach (var one in meters.Of("meshclient.call.duration").Concat(meters.Of("meshclient.attempt.duration")))
        {
            Assert.Equal(("failure", "AttemptTimeout"), (one.Tag("meshclient.outcome"), one.Tag("error.type")));
            Assert.Null(one.Tag("http.response.status_code"));
        }

        Assert.Single(meters.Of("meshclient.attempt.duration"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task CallDuration_CallerCancels_IsACancellation()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await env.StartAsync("orders", async context =>
        {
            await caller.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => env.Client().GetAsync("http://orders/", caller.Token));
        Assert.Equal("cancelled", Assert.Single(meters.Of("meshclient.call.duration")).Tag("meshclient.outcome"));
        Assert.Equal("cancelled", Assert.Single(meters.Of("meshclient.attempt.duration")).Tag("meshclient.outcome"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Observed_WhileACallIsHeldOpen_TellWhatIs()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: services =>
        {
            // What a call has paid into the budget lapses after a while.
            services.AddSingleton<TimeProvider>(new StillClock());
            meters.Attach(services);
        });
        Assert.NotNull(env.Handlers);
        Assert.Empty(meters.Observe("meshclient.identity.expires_in"));
        await using var held = await HeldCall.StartAsync(env);
        env.List("orders", RawPeer.ClosedPort());
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.Count == 2);
        await env.SetHealthAsync("orders", env.State("orders").Snapshot!.Instances[0].Id, Core.Discovery.InstanceHealth.Critical);

        var active = Assert.Single(meters.Observe("meshclient.calls.active"));
        Assert.Equal((1.0, "meshclient.service=orders", "{call}"), (active.Value, Tags(active), active.Unit));
        Assert.Equal(
            ["2 meshclient.instance.state=listed meshclient.service=orders", "1 meshclient.instance.state=critical meshclient.service=orders",
                "0 meshclient.instance.state=ejected meshclient.service=orders",
                "0 meshclient.instance.state=unreachable meshclient.service=orders", "0 meshclient.instance.state=unhealthy meshclient.service=orders"],
            meters.Observe("meshclient.instances").Select(one => $"{one.Value} {Tags(one)}"));
        Assert.InRange(Assert.Single(meters.Observe("meshclient.identity.expires_in")).Value, 3600 * 70, 3600 * 72);
        Assert.Equal(100.2, Assert.Single(meters.Observe("meshclient.retry_budget.balance")).Value, 6);
        var ages = meters.Observe("meshclient.watch.age");
        Assert.Equal(
            ["meshclient.service= meshclient.watch=trust-bundle", "meshclient.service=orders meshclient.watch=instances",
                "meshclient.service=web meshclient.watch=leaf"],
            ages.Select(Tags).Order(StringComparer.Ordinal));
        Assert.All(ages, age => Assert.InRange(age.Value, 0, 60));
        await held.EndAsync();
        Assert.Equal(0, Assert.Single(meters.Observe("meshclient.calls.active")).Value);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task WatchAge_RegistryAway_Grows()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);
        env.ControlPlane.FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "away"));
        double Age() => meters.Observe("meshclient.watch.age").Single(one => one.Tag("meshclient.watch") is "instances").Value;
        await Eventually.HoldsAsync(() => env.State("orders").DiscoveryFailure is not null);
        var first = Age();
        await Eventually.HoldsAsync(() => Age() > first + 0.05, "the age to grow");
    }

    private static string Tags(Measured measured) =>
        string.Join(' ', measured.Tags.OrderBy(tag => tag.Key, StringComparer.Ordinal).Select(tag => $"{tag.Key}={tag.Value}"));
}
