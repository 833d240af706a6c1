using System.Net;
using MeshClient.Configuration;
using MeshClient.Core.Overload;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Overload;

/// <summary>Calls over real sockets that are too many for a service, and what becomes of them.</summary>
public sealed class AdmissionTests
{
    private static CancellationToken Token => MeshTestEnvironment.Token;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_CallInFlightEnds_TheWaitingOneIsMade()
    {
        await using var env = Environment(queue: 1);
        await using var held = await HeldCall.StartAsync(env);
        var waiting = GetAsync(env);
        await Eventually.HoldsAsync(() => env.State("orders").Overload.Limiter.Waiting == 1);
        Assert.True(env.State("orders").IsBusy);
        Assert.Equal(1, held.Peer.Requests);

        // In flight until the body has been read, and no earlier.
        await held.EndAsync();

        using var answer = await waiting.BoundedAsync();
        Assert.Equal("a", await answer.Content.ReadAsStringAsync(Token));
        Assert.Equal((0, 0), (env.State("orders").InFlight, env.State("orders").Overload.Limiter.Waiting));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_WaitIsNotTheInstancesLatency()
    {
        var time = new FakeTimeProvider();
        await using var env = Environment(queue: 1, time: time);
        await using var held = await HeldCall.StartAsync(env);
        var waiting = GetAsync(env);
        await Eventually.HoldsAsync(() => env.State("orders").Overload.Limiter.Waiting == 1);
        time.Advance(TimeSpan.FromSeconds(3));
        await held.EndAsync();
        using var answer = await waiting.BoundedAsync();

        // Peak-EWMA takes a peak at once: had the wait counted, the load would be that. Nothing else has taken time.
        Assert.Equal(0, env.Instance("orders", held.Peer.Port).Load.Average(time.GetTimestamp()));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_NoneEndsInTime_IsRefusedAsWaitingTooLong()
    {
        using var meters = new MetricRecorder();
        await using var env = Environment(queue: 1, TimeSpan.FromMilliseconds(20), meters);
        await using var held = await HeldCall.StartAsync(env);

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => GetAsync(env).BoundedAsync());

        Assert.Equal((MeshFailureReason.QueueTimeout, "Admission", 0), (failure.Reason, failure.Stage, failure.Attempts));
        Assert.Contains("QueueTimeout", failure.Message, StringComparison.Ordinal);
        Assert.Equal(["QueueTimeout"], Errors(meters));
        Assert.Equal((1, 0), (env.State("orders").InFlight, env.State("orders").Overload.Limiter.Waiting));
        var shed = Assert.Single(meters.Of("meshclient.calls.shed"));
        Assert.Equal(("orders", "queue_timeout"), (shed.Tag("meshclient.service"), shed.Tag("meshclient.reason")));
        var line = Assert.Single(env.Logs.Lines, line => line.Level == LogLevel.Warning && line.Text.Contains("queue_timeout", StringComparison.Ordinal));
        Assert.Contains("orders", line.Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task NoQueue_LimitIsReached_IsRefusedAtOnce()
    {
        using var meters = new MetricRecorder();
        await using var env = Environment(queue: 0, meters: meters);
        await using var held = await HeldCall.StartAsync(env);

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => GetAsync(env).BoundedAsync());

        Assert.Equal((MeshFailureReason.Overloaded, "Admission", 0), (failure.Reason, failure.Stage, failure.Attempts));
        Assert.Contains("MaxConcurrency", failure.Message, StringComparison.Ordinal);
        Assert.Equal("concurrency", Assert.Single(meters.Of("meshclient.calls.shed")).Tag("meshclient.reason"));
        Assert.Equal(["Overloaded"], Errors(meters));
        Assert.Equal((1, 1), (held.Peer.Requests, env.State("orders").InFlight));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_CallsOwnTimeEndsFirst_IsTheReason()
    {
        var time = new FakeTimeProvider();
        await using var env = Environment(queue: 1, time: time);
        await using var held = await HeldCall.StartAsync(env);
        var waiting = GetAsync(env);
        await Eventually.HoldsAsync(() => env.State("orders").Overload.Limiter.Waiting == 1);

        time.Advance(MeshDefaults.CallTimeout);

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => waiting.BoundedAsync());

        Assert.Equal((MeshFailureReason.DeadlineExceeded, "Admission"), (failure.Reason, failure.Stage));
        Assert.Equal((0, 1), (env.State("orders").Overload.Limiter.Waiting, held.Peer.Requests));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_DeadlineEndsFirst_IsTheReason()
    {
        var time = new FakeTimeProvider();
        await using var env = Environment(queue: 1, time: time);
        await using var held = await HeldCall.StartAsync(env);
        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(1), time);
        var waiting = GetAsync(env);
        await Eventually.HoldsAsync(() => env.State("orders").Overload.Limiter.Waiting == 1);

        time.Advance(TimeSpan.FromSeconds(1));

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => waiting.BoundedAsync());

        Assert.Equal((MeshFailureReason.DeadlineExceeded, "Admission"), (failure.Reason, failure.Stage));
        Assert.Equal(0, env.State("orders").Overload.Limiter.Waiting);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_CallerGivesUp_LeavesItWithItsOwnToken()
    {
        await using var env = Environment(queue: 1);
        await using var held = await HeldCall.StartAsync(env);
        using var cancellation = new CancellationTokenSource();
        var waiting = env.Client().GetAsync("http://orders/", cancellation.Token);
        await Eventually.HoldsAsync(() => env.State("orders").Overload.Limiter.Waiting == 1);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.BoundedAsync());
        Assert.Equal((1, 0), (env.State("orders").InFlight, env.State("orders").Overload.Limiter.Waiting));
        await held.EndAsync();
        using var next = await GetAsync(env).BoundedAsync();
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_CallerGivesUpAsANewerCallTakesItsPlace_HearsThatItGaveUp()
    {
        await using var env = Environment(queue: 1);
        await using var held = await HeldCall.StartAsync(env);
        using var invoker = new HttpMessageInvoker(env.Handlers.Create());
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        using var cancellation = new CancellationTokenSource();
        var waiting = invoker.SendAsync(request, cancellation.Token);
        await Eventually.HoldsAsync(() => env.State("orders").Overload.Limiter.Waiting == 1);

        // Registered last, so it runs before the waiting one hears.
        Task<HttpResponseMessage>? newer = null;
        using var registration = cancellation.Token.Register(() => newer = GetAsync(env));
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.BoundedAsync());
        await held.EndAsync();
        using var answer = await newer!.BoundedAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal((0, 0), (env.State("orders").InFlight, env.State("orders").Overload.Limiter.Waiting));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Queue_NewerCallsFillIt_TheOldestIsRefused()
    {
        using var meters = new MetricRecorder();
        await using var env = Environment(queue: 1, meters: meters);
        await using var held = await HeldCall.StartAsync(env);
        var oldest = GetAsync(env);
        await Eventually.HoldsAsync(() => env.State("orders").Overload.Limiter.Waiting == 1);
        var newest = GetAsync(env);

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => oldest.BoundedAsync());

        Assert.Equal((MeshFailureReason.QueueFull, "Admission", 0), (failure.Reason, failure.Stage, failure.Attempts));
        Assert.Contains("QueueLength", failure.Message, StringComparison.Ordinal);
        Assert.Equal(["QueueFull"], Errors(meters));
        Assert.Equal("queue_full", Assert.Single(meters.Of("meshclient.calls.shed")).Tag("meshclient.reason"));
        await held.EndAsync();
        using var answer = await newest.BoundedAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Discovery_WaitIsNotTheInstancesLatency()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        var peer = await env.StartAsync("orders", _ => Task.CompletedTask);
        env.ControlPlane.Stall();
        var waiting = GetAsync(env);
        time.Advance(TimeSpan.FromSeconds(3));
        Assert.False(waiting.IsCompleted);
        env.ControlPlane.Release();
        using var answer = await waiting.BoundedAsync();

        Assert.Equal(0, env.Instance("orders", peer.Port).Load.Average(time.GetTimestamp()));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task RateLimit_CallHasWaitedForTheRegistry_TakesItsTokenWhenItCanBeMade()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(
            options => options.Defaults.Overload.RateLimit = new() { PerSecond = 10, Burst = 1 },
            services: services => services.AddSingleton<TimeProvider>(time));
        await env.StartAsync("orders", _ => Task.CompletedTask);
        env.ControlPlane.Stall();
        var waiting = GetAsync(env);
        time.Advance(TimeSpan.FromSeconds(3));
        env.ControlPlane.Release();
        using var answer = await waiting.BoundedAsync();

        // Had it taken the token when it began, there would be another by now, and both would be made at the same moment.
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => GetAsync(env).BoundedAsync());
        Assert.Equal(MeshFailureReason.RateLimited, failure.Reason);
        time.Advance(TimeSpan.FromMilliseconds(100));
        using var next = await GetAsync(env).BoundedAsync();
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task RateLimit_BucketIsEmpty_IsRefusedAtOnce()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(
            options => options.Defaults.Overload.RateLimit = new() { PerSecond = 0.001, Burst = 3 }, services: meters.Attach);
        var peer = await env.StartAsync("orders", _ => Task.CompletedTask);
        for (var i = 0; i < 3; i++)
        {
            using var answer = await GetAsync(env);
        }

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => GetAsync(env));

        Assert.Equal((MeshFailureReason.RateLimited, "Admission"), (failure.Reason, failure.Stage));
        Assert.Equal((3, 0), (peer.Requests, env.State("orders").InFlight));
        Assert.Equal("rate", Assert.Single(meters.Of("meshclient.calls.shed")).Tag("meshclient.reason"));
        Assert.Equal(["RateLimited"], Errors(meters));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Throttling_ServiceRefusesAll_MostCallsAreNotMadeAtAll()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(options => options.Defaults.Overload.Throttling.Enabled = true, services: meters.Attach);
        var peer = await env.StartAsync("orders", context => AnswerAsync(context, 429));
        var refused = 0;
        for (var i = 0; i < 200; i++)
        {
            try
            {
                using var answer = await GetAsync(env);
                Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
            }
            catch (MeshCallException e)
            {
                Assert.Equal((MeshFailureReason.Throttled, "Admission"), (e.Reason, e.Stage));
                Assert.Contains("Throttling", e.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.Equal(200, refused + peer.Requests);
        Assert.Equal(refused, meters.Of("meshclient.calls.shed").Count(one => (string?)one.Tag("meshclient.reason") == "throttling"));
        Assert.Equal(refused, meters.Of("meshclient.call.duration").Count(one => (string?)one.Tag("error.type") == "Throttled"));
        // At least a fifth is made, so that a recovery is noticed: 40 of 200, with a standard deviation below 6.
        Assert.InRange(peer.Requests, 15, 75);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(8, true)]
    [InlineData(14, true)]
    [InlineData(13, false)]
    [InlineData(0, false)]
    public async Task Throttling_GrpcStatusInTrailers_IsWhatTheCallIsJudgedBy(int status, bool refuses)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Overload.Throttling.Enabled = true);
        await env.StartAsync("orders", context => GrpcAnswer.InTrailersAsync(context, status));
        for (var i = 0; i < 4; i++)
        {
            try
            {
                using var response = await GrpcAnswer.AskAsync(env);
                await response.Content.ReadAsByteArrayAsync(Token);
            }
            catch (MeshCallException e) when (refuses && e.Reason == MeshFailureReason.Throttled)
            {
                break;
            }
        }

        Assert.Equal(refuses, env.State("orders").Overload.Throttle!.Probability(TimeProvider.System.GetTimestamp()) > 0.4);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(200)]
    [InlineData(500)]
    public async Task Throttling_ServiceTakesCalls_AllAreMade(int status)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Overload.Throttling.Enabled = true);
        var peer = await env.StartAsync("orders", context => AnswerAsync(context, status));
        for (var i = 0; i < 50; i++)
        {
            using var answer = await GetAsync(env);
        }

        Assert.Equal(50, peer.Requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Adaptive_CallsAreRefusedByTheService_LimitFalls()
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(
            options => options.Defaults.Overload.Adaptive = new()
            {
                Enabled = true,
                Algorithm = LimitAlgorithm.Aimd,
                InitialLimit = 100,
                MinLimit = 1,
                Window = TimeSpan.FromMilliseconds(10),
            },
            services: meters.Attach);
        await env.StartAsync("orders", context => AnswerAsync(context, 429));
        using (await GetAsync(env))
        {
        }

        Assert.Equal(100, env.State("orders").Overload.Limiter.Limit);
        for (var i = 0; env.State("orders").Overload.Limiter.Limit == 100; i++)
        {
            Assert.True(i < 100_000);
            using var answer = await GetAsync(env);
        }

        Assert.Equal(90, env.State("orders").Overload.Limiter.Limit);
        Assert.Equal(90, Assert.Single(meters.Observe("meshclient.calls.limit")).Value);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Adaptive_FixedLimitIsLower_ItCounts()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.MaxConcurrency = 5;
            options.Defaults.Overload.Adaptive.Enabled = true;
        });
        await env.StartAsync("orders", _ => Task.CompletedTask);
        using var answer = await GetAsync(env);

        Assert.Equal(5, env.State("orders").Overload.Limiter.Limit);
    }

    private static MeshTestEnvironment Environment(
        int queue, TimeSpan? timeout = null, MetricRecorder? meters = null, FakeTimeProvider? time = null) => new(
        options =>
        {
            options.Defaults.MaxConcurrency = 1;
            options.Defaults.Overload.QueueLength = queue;
            options.Defaults.Overload.QueueTimeout = timeout ?? TimeSpan.FromMinutes(1);
        },
        services: services =>
        {
            meters?.Attach(services);
            if (time is not null)
            {
                services.AddSingleton<TimeProvider>(time);
            }
        });

    private static Task<HttpResponseMessage> GetAsync(MeshTestEnvironment env) => env.Client().GetAsync("http://orders/", Token);

    private static IEnumerable<object?> Errors(MetricRecorder meters) =>
        meters.Of("meshclient.call.duration").Select(one => one.Tag("error.type")).Where(error => error is not null);

    private static Task AnswerAsync(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    }
}
