using System.Net;
using System.Net.Http.Json;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>What is tried again, what never is, and where.</summary>
public sealed class RetryTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_FailingInstances_AreEachTriedOnceUntilOneIsGood()
    {
        await using var env = new MeshTestEnvironment();
        var bad = new[] { await StartAsync(env, 503), await StartAsync(env, 502) };
        var good = await StartAsync(env, 200);
        for (var i = 1; i <= 20; i++)
        {
            var (first, second) = (bad[0].Requests, bad[1].Requests);
            using var response = await env.Client().GetAsync("http://orders/", Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.InRange(bad[0].Requests - first, 0, 1);
            Assert.InRange(bad[1].Requests - second, 0, 1);
            Assert.Equal(i, good.Requests);
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_EveryInstanceFails_TheLastAnswerIsTheAppsAndTheOthersAreGone()
    {
        await using var env = new MeshTestEnvironment();
        var peers = new[] { await StartAsync(env, 503), await StartAsync(env, 503), await StartAsync(env, 503), await StartAsync(env, 503) };
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("status 503", await response.Content.ReadAsStringAsync(Token));
        Assert.Equal(3, peers.Sum(peer => peer.Requests));
        Assert.All(peers, peer => Assert.InRange(peer.Requests, 0, 1));
        Assert.Equal(0, env.State("orders").InFlight);
        Assert.All(peers.Where(peer => peer.Requests > 0), peer => Assert.Equal(0, env.Instance("orders", peer.Port).Load.InFlight));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("GET", 503, 2)]
    [InlineData("GET", 502, 2)]
    [InlineData("GET", 504, 2)]
    [InlineData("GET", 500, 1)]
    [InlineData("GET", 501, 1)]
    [InlineData("GET", 429, 1)]
    [InlineData("GET", 404, 1)]
    [InlineData("PUT", 503, 2)]
    [InlineData("DELETE", 503, 2)]
    [InlineData("POST", 503, 1)]
    [InlineData("PATCH", 503, 1)]
    public async Task SendAsync_AnswerOfTheFirst_IsRepeatedOnlyWhenThatMakesSense(string method, int status, int attempts)
    {
        await using var env = new MeshTestEnvironment();
        var (peers, requests) = (new List<HttpPeer>(), 0);
        for (var i = 0; i < 2; i++)
        {
            peers.Add(await env.StartAsync("orders", context =>
            {
                context.Response.StatusCode = Interlocked.Increment(ref requests) == 1 ? status : 200;
                return Task.CompletedTask;
            }));
        }

        using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders/");
        using var response = await env.Client().SendAsync(request, Token);
        Assert.Equal(attempts, requests);
        Assert.Equal(attempts == 1 ? status : 200, (int)response.StatusCode);
        Assert.All(peers, peer => Assert.InRange(peer.Requests, 0, 1));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_ConnectionBrokenAfterTheRequest_IsNeverSentTwice()
    {
        await using var env = new MeshTestEnvironment();
        var requests = 0;
        StartBreaking(env, () => Interlocked.Increment(ref requests));
        StartBreaking(env, () => Interlocked.Increment(ref requests));
        var failure = await Assert.ThrowsAsync<MeshCallException>(
            () => env.Client().PostAsync("http://orders/", new StringContent("pay"), Token));
        Assert.Equal((MeshFailureReason.TransportFailed, "Transport", 1), (failure.Reason, failure.Stage, failure.Attempts));
        Assert.Equal(1, requests);
        Assert.StartsWith("orders-127.0.0.1-", failure.Instance, StringComparison.Ordinal);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("POST", true)]
    [InlineData("POST", false)]
    [InlineData("PATCH", true)]
    public async Task SendAsync_UsedConnectionBrokenAfterTheRequest_IsNeverSentTwice(string method, bool withBody)
    {
        // A connection that carried a call before: the network stack would send again by itself what it takes for unsent.
        await using var env = new MeshTestEnvironment();
        var (requests, warm) = (0, true);
        env.StartRaw("orders", async (stream, _, token) =>
        {
            while (await RawPeer.ReadHeadAsync(stream, token) is { } head)
            {
                if (!warm)
                {
                    Interlocked.Increment(ref requests);
                    return;
                }

                await RawPeer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", token);
            }
        });
        await env.Client().GetStringAsync("http://orders/", Token);
        warm = false;
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders/") { Content = withBody ? new StringContent("pay") : null };
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().SendAsync(request, Token));
        Assert.Equal(MeshFailureReason.TransportFailed, failure.Reason);
        Assert.Equal(1, requests);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task PostAsync_MarkedAsRepeatable_IsSentAgainElsewhere(bool byHeader)
    {
        await using var env = new MeshTestEnvironment();
        var (requests, bodies) = (0, new List<string>());
        var broken = StartBreaking(env, () => Interlocked.Increment(ref requests));
        await env.StartAsync("orders", async context => bodies.Add(await new StreamReader(context.Request.Body).ReadToEndAsync(Token)));
        for (var i = 1; i <= 20; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Content = JsonContent.Create(new { Amount = i }) };
            if (byHeader)
            {
                request.Headers.Add("Idempotency-Key", $"{i}");
            }
            else
            {
                request.Options.Set(MeshRequestOptions.Idempotent, true);
            }

            using var response = await env.Client().SendAsync(request, Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(Enumerable.Range(1, 20).Select(i => $$"""{"amount":{{i}}}"""), bodies);
        Assert.InRange(requests, 1, 20);
        Assert.InRange(broken.Connections, 1, 20);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_ConnectionRefused_IsSentElsewhereEvenWithAStream()
    {
        await using var env = new MeshTestEnvironment();
        var bodies = new List<string>();
        env.List("orders", RawPeer.ClosedPort());
        await env.StartAsync("orders", async context => bodies.Add(await new StreamReader(context.Request.Body).ReadToEndAsync(Token)));
        for (var i = 0; i < 20; i++)
        {
            using var content = new StreamContent(new OnceStream($"body {i}"));
            using var response = await env.Client().PostAsync("http://orders/", content, Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"body {i}"), bodies);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ConnectionRefusedEverywhere_SaysSo()
    {
        await using var env = new MeshTestEnvironment();
        var ports = new[] { RawPeer.ClosedPort(), RawPeer.ClosedPort() };
        env.List("orders", ports[0]);
        env.List("orders", ports[1]);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal((MeshFailureReason.ConnectFailed, "Transport", "orders", 3), (failure.Reason, failure.Stage, failure.Service, failure.Attempts));
        Assert.Equal(HttpRequestError.ConnectionError, failure.HttpRequestError);
        Assert.Contains("3 attempts", failure.Message, StringComparison.Ordinal);
        Assert.Contains(failure.Instance!, failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_StreamWhoseReadingBegan_IsNotSentAgain()
    {
        await using var env = new MeshTestEnvironment();
        var requests = 0;
        StartBreaking(env, () => Interlocked.Increment(ref requests));
        StartBreaking(env, () => Interlocked.Increment(ref requests));
        using var content = new StreamContent(new OnceStream("x"));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().PutAsync("http://orders/", content, Token));
        Assert.Equal((MeshFailureReason.TransportFailed, 1), (failure.Reason, failure.Attempts));
        Assert.Equal(1, requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_RetriesTurnedOff_TriesOnce()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxRetries = 0);
        var peers = new[] { await StartAsync(env, 503), await StartAsync(env, 503) };
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(1, peers.Sum(peer => peer.Requests));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_BudgetSpent_FailingServiceGetsNoMoreThanItsCallsAndTheBudget()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(
            options =>
            {
                options.Defaults.RetryBudgetPerSecond = 0;
                options.Defaults.RetryBudgetRatio = 0.2;
                options.Defaults.MaxRetries = 5;
            },
            services: services =>
            {
                // However long they take: what is in the budget lapses after a while.
                services.AddSingleton<TimeProvider>(new StillClock());
                meters.Attach(services);
            });
        var peers = new[] { await StartAsync(env, 503), await StartAsync(env, 503) };
        for (var i = 0; i < 100; i++)
        {
            using var response = await env.Client().GetAsync("http://orders/", Token);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        }

        Assert.Equal(120, peers.Sum(peer => peer.Requests));
        Assert.Equal(20, meters.Of("meshclient.retries").Sum(one => one.Value));
        var exhausted = meters.Of("meshclient.retry_budget.exhausted");
        Assert.InRange(exhausted.Sum(one => one.Value), 80, 100);
        Assert.All(exhausted, one => Assert.Equal("orders", one.Tag("meshclient.service")));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_CancelledDuringThePauseBeforeARetry_IsACancellation()
    {
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await using var env = new MeshTestEnvironment(options => options.Defaults.CallTimeout = TimeSpan.FromSeconds(60));
        var requests = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                Interlocked.Increment(ref requests);
                context.Response.StatusCode = 503;
                context.Response.Headers.RetryAfter = "30";
                await context.Response.CompleteAsync();
                await caller.CancelAsync();
            });
        }

        var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => env.Client().GetAsync("http://orders/", caller.Token).BoundedAsync());
        Assert.Equal(caller.Token, cancelled.CancellationToken);
        Assert.Equal(1, requests);
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0);
    }

    private static Task<HttpPeer> StartAsync(MeshTestEnvironment env, int status) => env.StartAsync("orders", context =>
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsync($"status {status}");
    });

    // Reads the request's head and resets the connection.
    private static RawPeer StartBreaking(MeshTestEnvironment env, Action seen) => env.StartRaw("orders", async (stream, _, token) =>
    {
        if (await RawPeer.ReadHeadAsync(stream, token) is not null)
        {
            seen();
        }
    });
}
