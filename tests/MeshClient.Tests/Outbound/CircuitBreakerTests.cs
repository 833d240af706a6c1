using System.Collections.Concurrent;
using System.Net;
using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MeshClient.Tests.Outbound;

/// <summary>Calls are refused while all instances fail, by hand too, and let through again.</summary>
public sealed class CircuitBreakerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_HalfOfTheCallsFail_OpensThenOneCallClosesIt()
    {
        using var meters = new MetricRecorder();
        var time = new FakeTimeProvider();
        await using var env = Make(time, meters: meters);
        var changes = new List<(string, MeshCircuitState)>();
        Breakers(env).StateChanged += (_, change) => changes.Add((change.Service, change.State));
        var (fails, requests) = (true, 0);
        var peer = await env.StartAsync("orders", context =>
        {
            requests++;
            context.Response.StatusCode = fails ? 500 : 200;
            return Task.CompletedTask;
        });
        for (var i = 0; i < 10; i++)
        {
            using var failed = await env.Client().GetAsync("http://orders/", Token);
            Assert.Equal(HttpStatusCode.InternalServerError, failed.StatusCode);
        }

        Assert.Equal(MeshCircuitState.Open, Breakers(env).StateOf("orders"));
        var refused = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal((MeshFailureReason.CircuitOpen, "CircuitBreaker", 0, "orders"), (refused.Reason, refused.Stage, refused.Attempts, refused.Service));
        Assert.Contains("let through in 5.0 s", refused.Message, StringComparison.Ordinal);
        Assert.Equal(10, requests);
        Assert.Equal(2, Assert.Single(meters.Observe("meshclient.circuit_breaker.state")).Value);
        Assert.Equal("CircuitOpen", meters.Of("meshclient.call.duration")[^1].Tag("error.type"));

        fails = false;
        time.Advance(TimeSpan.FromSeconds(5));
        using (var probe = await env.Client().GetAsync("http://orders/", Token))
        {
            Assert.Equal(HttpStatusCode.OK, probe.StatusCode);
        }

        Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
        Assert.Equal(0, Assert.Single(meters.Observe("meshclient.circuit_breaker.state")).Value);
        Assert.Equal(
            [("orders", MeshCircuitState.Open), ("orders", MeshCircuitState.HalfOpen), ("orders", MeshCircuitState.Closed)], changes);
        var lines = env.Logs.Lines.Where(line => line.Category.EndsWith("MeshCircuitBreakers", StringComparison.Ordinal)).ToList();
        Assert.Equal([LogLevel.Warning, LogLevel.Warning, LogLevel.Information], lines.Select(line => line.Level));
        Assert.Equal(peer.Requests, requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_ProbeFails_StaysOpenAndOnlyOneCallWasLetThrough()
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time);
        var (requests, hold) = (0, new TaskCompletionSource());
        await env.StartAsync("orders", async context =>
        {
            if (Interlocked.Increment(ref requests) > 10)
            {
                await hold.Task.WaitAsync(context.RequestAborted);
            }

            context.Response.StatusCode = 500;
        });
        for (var i = 0; i < 10; i++)
        {
            using var failed = await env.Client().GetAsync("http://orders/", Token);
        }

        time.Advance(TimeSpan.FromSeconds(5));
        var probe = env.Client().GetAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => requests == 11);
        for (var i = 0; i < 5; i++)
        {
            var refused = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
            Assert.Equal(MeshFailureReason.CircuitOpen, refused.Reason);
        }

        hold.SetResult();
        using var answer = await probe;
        Assert.Equal(MeshCircuitState.Open, Breakers(env).StateOf("orders"));
        Assert.Equal(11, requests);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(200)]
    [InlineData(500)]
    public async Task GetAsync_AnsweredWhileTheProbeOfALaterTimeIsUnderWay_ProvesNothing(int status)
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time, options => options.Defaults.AttemptTimeout = TimeSpan.FromSeconds(10));
        var (early, probing) = (new TaskCompletionSource<int>(), new TaskCompletionSource<int>());
        var requests = new ConcurrentDictionary<string, int>();
        await env.StartAsync("orders", async context =>
        {
            var path = context.Request.Path.Value!;
            requests.AddOrUpdate(path, 1, (_, count) => count + 1);
            context.Response.StatusCode = path switch
            {
                "/early" => await early.Task.WaitAsync(context.RequestAborted),
                "/probe" => await probing.Task.WaitAsync(context.RequestAborted),
                _ => 500,
            };
        });
        var first = env.Client().GetAsync("http://orders/early", Token);
        await Eventually.HoldsAsync(() => requests.ContainsKey("/early"));
        for (var i = 0; i < 10; i++)
        {
            using var failed = await env.Client().GetAsync("http://orders/", Token);
        }

        time.Advance(TimeSpan.FromSeconds(5));
        var probe = env.Client().GetAsync("http://orders/probe", Token);
        await Eventually.HoldsAsync(() => requests.ContainsKey("/probe"));
        early.SetResult(status);
        using (await first)
        {
            Assert.Equal(MeshCircuitState.HalfOpen, Breakers(env).StateOf("orders"));
        }

        probing.SetResult(200);
        using var answer = await probe;
        Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_AnsweredWhenAProbeIsDue_IsNotTheProbe()
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time, options => options.Defaults.AttemptTimeout = TimeSpan.FromSeconds(10));
        var (early, requests, fails) = (new TaskCompletionSource(), 0, true);
        await env.StartAsync("orders", async context =>
        {
            if (Interlocked.Increment(ref requests) == 1)
            {
                await early.Task.WaitAsync(context.RequestAborted);
                return;
            }

            context.Response.StatusCode = fails ? 500 : 200;
        });
        var first = env.Client().GetAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => requests == 1);
        for (var i = 0; i < 10; i++)
        {
            using var failed = await env.Client().GetAsync("http://orders/", Token);
        }

        time.Advance(TimeSpan.FromSeconds(5));
        early.SetResult();
        using (await first)
        {
            fails = false;
        }

        using var probe = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(HttpStatusCode.OK, probe.StatusCode);
        Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task GetAsync_ProbeIsHedgedOrRepeated_ItsLastAnswerCounts(bool isHedged)
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time, options =>
        {
            options.Defaults.CircuitBreaker.MinimumThroughput = 2;
            var hedging = options.Defaults.Hedging;
            (hedging.Enabled, hedging.Delay, hedging.BudgetRatio) = (isHedged, TimeSpan.FromMilliseconds(20), 1);
        });
        var requests = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                switch (Interlocked.Increment(ref requests))
                {
                    case 1 or 2:
                        context.Response.StatusCode = 500;
                        break;
                    case 3 when isHedged:
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                        break;
                    case 3:
                        context.Response.StatusCode = 503;
                        break;
                    default:
                        break;
                }
            });
        }

        for (var i = 0; i < 2; i++)
        {
            using var failed = await env.Client().GetAsync("http://orders/", Token);
        }

        time.Advance(TimeSpan.FromSeconds(5));
        var probe = env.Client().GetAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() =>
        {
            // The hedge's delay, or what is waited before it is repeated.
            time.Advance(TimeSpan.FromMilliseconds(Volatile.Read(ref requests) < 3 ? 0 : 5));
            return probe.IsCompleted;
        });
        using var answer = await probe;
        Assert.Equal((HttpStatusCode.OK, 4), (answer.StatusCode, requests));
        Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_ProbeGivenUpByItsCaller_ProvesNothing()
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time);
        var requests = 0;
        await env.StartAsync("orders", async context =>
        {
            if (Interlocked.Increment(ref requests) > 10)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            }

            context.Response.StatusCode = 500;
        });
        for (var i = 0; i < 10; i++)
        {
            using var failed = await env.Client().GetAsync("http://orders/", Token);
        }

        time.Advance(TimeSpan.FromSeconds(5));
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var probe = env.Client().GetAsync("http://orders/", caller.Token);
        await Eventually.HoldsAsync(() => requests == 11);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => probe);
        Assert.Equal(MeshCircuitState.Open, Breakers(env).StateOf("orders"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_OneOfTwoInstancesFails_RetriesKeepItClosed()
    {
        await using var env = Make(new FakeTimeProvider(), options => options.Defaults.Retry.BaseDelay = TimeSpan.Zero);
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        await env.StartAsync("orders", context => context.Response.WriteAsync("good"));
        for (var i = 0; i < 40; i++)
        {
            Assert.Equal("good", await env.Client().GetStringAsync("http://orders/", Token));
        }

        Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_RefusedCalls_PayNothingIntoTheRetryBudget()
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time, options => options.Defaults.RetryBudgetPerSecond = 0);
        await env.StartAsync("orders", context => context.Response.WriteAsync("good"));
        await Breakers(env).IsolateAsync("orders", Token);
        for (var i = 0; i < 50; i++)
        {
            await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        }

        Assert.Equal(0, env.State("orders").RetryBudget.Balance(time.GetTimestamp()));
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task IsolateAsync_AnyService_RefusesUntilClosed(bool isEnabled)
    {
        using var meters = new MetricRecorder();
        await using var env = Make(new FakeTimeProvider(), options => options.Defaults.CircuitBreaker.Enabled = isEnabled, meters);
        var peer = await env.StartAsync("orders", context => context.Response.WriteAsync("good"));
        var breakers = Breakers(env);
        // Before the first call.
        await breakers.IsolateAsync("orders", Token);
        Assert.Equal(MeshCircuitState.Isolated, breakers.StateOf("orders"));
        for (var i = 0; i < 3; i++)
        {
            var refused = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
            Assert.Equal(MeshFailureReason.CircuitOpen, refused.Reason);
            Assert.Contains("isolated by hand", refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(3, Assert.Single(meters.Observe("meshclient.circuit_breaker.state")).Value);
        Assert.Equal(0, peer.Requests);
        await breakers.CloseAsync("orders", Token);
        Assert.Equal("good", await env.Client().GetStringAsync("http://orders/", Token));
        await breakers.IsolateAsync("orders", Token);
        await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal(MeshCircuitState.Closed, breakers.StateOf("payments"));
        Assert.Throws<FormatException>(() => breakers.StateOf("no name"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_WithFallback_AnswersForFailuresAndNothingElse()
    {
        using var meters = new MetricRecorder();
        var asked = new List<(int? Status, MeshFailureReason? Reason)>();
        await using var env = Make(
            new FakeTimeProvider(),
            options => options.Defaults.Fallback = arguments =>
            {
                asked.Add(((int?)arguments.Response?.StatusCode, (arguments.Failure as MeshCallException)?.Reason));
                return ValueTask.FromResult(arguments.Request.Method == HttpMethod.Delete
                    ? null
                    : new HttpResponseMessage(HttpStatusCode.NonAuthoritativeInformation) { Content = new StringContent("from memory") });
            },
            meters);
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = int.Parse(context.Request.Path.Value![1..], System.Globalization.CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        });
        var client = env.Client();
        using (var good = await client.GetAsync("http://orders/200", Token))
        using (var missing = await client.GetAsync("http://orders/404", Token))
        {
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.NotFound), (good.StatusCode, missing.StatusCode));
            Assert.Empty(asked);
        }

        Assert.Equal("from memory", await client.GetStringAsync("http://orders/500", Token));
        await Breakers(env).IsolateAsync("orders", Token);
        Assert.Equal("from memory", await client.GetStringAsync("http://orders/200", Token));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => client.DeleteAsync("http://orders/200", Token));
        Assert.Equal(MeshFailureReason.CircuitOpen, failure.Reason);
        Assert.Equal([(500, null), (null, MeshFailureReason.CircuitOpen), (null, MeshFailureReason.CircuitOpen)], asked);
        Assert.Equal(2, meters.Of("meshclient.fallbacks").Sum(one => one.Value));
        // The figures tell what the service did.
        Assert.Equal(
            ["success", "success", "failure", "failure", "failure"],
            meters.Of("meshclient.call.duration").Select(one => one.Tag("meshclient.outcome")));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetAsync("http://orders/500", new CancellationToken(true)));
        Assert.Equal(3, asked.Count);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_FallbackThrows_ItsFailureIsTheCallsAndThePlaceIsGivenBack()
    {
        await using var env = Make(
            new FakeTimeProvider(),
            options => options.Defaults.Fallback = _ => throw new InvalidOperationException("no memory either"));
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = 500;
            return context.Response.WriteAsync("broken");
        });
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal("no memory either", failure.Message);
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task StateChanged_ListenerThrows_IsLoggedOnceAndNobodyElseNotices()
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time);
        var heard = new ConcurrentQueue<MeshCircuitState>();
        Breakers(env).StateChanged += (_, _) => throw new InvalidOperationException("the listener is broken");
        Breakers(env).StateChanged += (_, change) => heard.Enqueue(change.State);
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        for (var i = 0; i < 10; i++)
        {
            using var failed = await env.Client().GetAsync("http://orders/", Token);
            Assert.Equal(HttpStatusCode.InternalServerError, failed.StatusCode);
        }

        // None of these calls waits for those who are told.
        await Eventually.HoldsAsync(() => heard.Contains(MeshCircuitState.Open));
        await Breakers(env).IsolateAsync("orders", Token);
        await Breakers(env).CloseAsync("orders", Token);
        Assert.Equal([MeshCircuitState.Open, MeshCircuitState.Isolated, MeshCircuitState.Closed], heard);
        var lines = env.Logs.Lines.Where(line => line.Level == LogLevel.Error).ToList();
        Assert.Equal(3, lines.Count);
        Assert.All(lines, line => Assert.Contains("orders", line.Text, StringComparison.Ordinal));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_ClosedByHandWhileAListenerIsSlow_IsJudgedAtOnce()
    {
        await using var env = Make(new FakeTimeProvider());
        using var release = new ManualResetEventSlim();
        Breakers(env).StateChanged += (_, _) => release.Wait(Token);
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        try
        {
            await OpenAsync();
            var closing = Breakers(env).CloseAsync("orders", Token);
            Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));

            await OpenAsync();

            release.Set();
            await closing.BoundedAsync();
        }
        finally
        {
            release.Set();
        }

        async Task OpenAsync()
        {
            // Those that go through Polly while it tells of a change may wait for that.
            var calls = Enumerable.Range(0, 10).Select(_ => env.Client().GetAsync("http://orders/", Token)).ToList();
            await Eventually.HoldsAsync(() => Breakers(env).StateOf("orders") == MeshCircuitState.Open);
            // Whoever opened it may still be about to say so.
            await Eventually.HoldsAsync(async () => await Record.ExceptionAsync(() => env.Client().GetAsync("http://orders/", Token)) is MeshCallException { Reason: MeshFailureReason.CircuitOpen });
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_GivenUpBetweenTwoAttempts_IsNoFailure()
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time, options => (options.Defaults.CircuitBreaker.FailureRatio, options.Defaults.CircuitBreaker.MinimumThroughput) = (0.1, 2));
        var requests = 0;
        var peer = await env.StartAsync("orders", context =>
        {
            Interlocked.Increment(ref requests);
            context.Response.StatusCode = 503;
            context.Response.Headers.RetryAfter = "2";
            return Task.CompletedTask;
        });
        for (var i = 0; i < 4; i++)
        {
            using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
            var calling = env.Client().GetAsync("http://orders/", caller.Token);
            await Eventually.HoldsAsync(() => Volatile.Read(ref requests) == i + 1 && env.Instance("orders", peer.Port).Load.InFlight == 0);
            await caller.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => calling);
        }

        Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_HedgesWithABreaker_AreMadeAndJudgedAsOneCall()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            (options.Defaults.CircuitBreaker.Enabled, options.Defaults.CircuitBreaker.MinimumThroughput) = (true, 2);
            (options.Defaults.Hedging.Enabled, options.Defaults.Hedging.Delay, options.Defaults.Hedging.BudgetRatio) = (true, TimeSpan.FromMilliseconds(20), 1);
        });
        var (requests, aborted) = (0, 0);
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 2; i++)
        {
            peers.Add(await env.StartAsync("orders", async context =>
            {
                // Each call's first attempt hangs.
                if (Interlocked.Increment(ref requests) % 2 == 1)
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted)
                        .ContinueWith(_ => Interlocked.Increment(ref aborted), TaskScheduler.Default);
                    return;
                }

                await context.Response.WriteAsync("answer");
            }));
        }

        for (var i = 1; i <= 12; i++)
        {
            Assert.Equal("answer", await env.Client().GetStringAsync("http://orders/", Token).BoundedAsync());
            await Eventually.HoldsAsync(() => Volatile.Read(ref aborted) == i);
        }

        Assert.All(peers, peer => Assert.Equal(12, peer.Requests));
        Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task IsolateAsync_WhileSomebodyCloses_HoldsWhenItWasLast()
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", _ => Task.CompletedTask);
        await Breakers(env).IsolateAsync("orders", Token);
        Breakers(env).StateChanged += (_, change) =>
        {
            if (change.State == MeshCircuitState.Closed)
            {
                _ = Breakers(env).IsolateAsync("orders", Token);
            }
        };
        await Breakers(env).CloseAsync("orders", Token);
        Assert.Equal(MeshCircuitState.Isolated, Breakers(env).StateOf("orders"));
        var refused = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal((MeshFailureReason.CircuitOpen, 0), (refused.Reason, peer.Requests));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task IsolateAsync_AgainWhileAListenerIsSlow_NoCallIsLetThrough()
    {
        await using var env = new MeshTestEnvironment();
        var peer = await env.StartAsync("orders", _ => Task.CompletedTask);
        using var release = new ManualResetEventSlim();
        var heard = new ConcurrentQueue<MeshCircuitState>();
        Breakers(env).StateChanged += (_, change) =>
        {
            heard.Enqueue(change.State);
            release.Wait(Token);
        };
        // The changes are made at once, and told of one after the other.
        Task[] changes = [Breakers(env).IsolateAsync("orders", Token), Breakers(env).CloseAsync("orders", Token), Breakers(env).IsolateAsync("orders", Token)];
        await AssertRefusedAsync();

        release.Set();
        await Task.WhenAll(changes).BoundedAsync();
        await Eventually.HoldsAsync(() => heard.Count == 3);
        Assert.Equal([MeshCircuitState.Isolated, MeshCircuitState.Closed, MeshCircuitState.Isolated], heard);
        await AssertRefusedAsync();

        await Breakers(env).CloseAsync("orders", Token);
        using var answer = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(1, peer.Requests);

        async Task AssertRefusedAsync()
        {
            Assert.Equal(MeshCircuitState.Isolated, Breakers(env).StateOf("orders"));
            var refused = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
            Assert.Equal((MeshFailureReason.CircuitOpen, 0), (refused.Reason, peer.Requests));
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(14, MeshCircuitState.Open)]
    [InlineData(13, MeshCircuitState.Open)]
    [InlineData(5, MeshCircuitState.Closed)]
    [InlineData(0, MeshCircuitState.Closed)]
    public async Task SendAsync_GrpcStatusInTrailers_IsWhatTheCallIsJudgedBy(int status, MeshCircuitState state)
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time);
        var answer = status;
        await env.StartAsync("orders", context => GrpcAnswer.InTrailersAsync(context, Volatile.Read(ref answer)));
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
            using var response = await GrpcAnswer.AskAsync(env);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            // The status has not been read yet.
            Assert.Equal(MeshCircuitState.Closed, Breakers(env).StateOf("orders"));
            await response.Content.ReadAsByteArrayAsync(Token);
        }

        // The breaker hears of it on another thread.
        await Eventually.HoldsAsync(() => Breakers(env).StateOf("orders") == state);
        if (state == MeshCircuitState.Closed)
        {
            return;
        }

        // The probe too is judged by its trailers.
        time.Advance(TimeSpan.FromSeconds(5));
        using (var bad = await GrpcAnswer.AskAsync(env))
        {
            Assert.Equal(MeshCircuitState.HalfOpen, Breakers(env).StateOf("orders"));
            await bad.Content.ReadAsByteArrayAsync(Token);
            await Eventually.HoldsAsync(() => Breakers(env).StateOf("orders") == MeshCircuitState.Open);
        }

        time.Advance(TimeSpan.FromSeconds(5));
        Volatile.Write(ref answer, 0);
        using var good = await GrpcAnswer.AskAsync(env);
        await good.Content.ReadAsByteArrayAsync(Token);
        await Eventually.HoldsAsync(() => Breakers(env).StateOf("orders") == MeshCircuitState.Closed);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_GrpcProbeDisposedBeforeItsStatus_ProvesNothing()
    {
        var time = new FakeTimeProvider();
        await using var env = Make(time);
        await env.StartAsync("orders", context => GrpcAnswer.InTrailersAsync(context, 14));
        for (var i = 0; i < 10; i++)
        {
            using var response = await GrpcAnswer.AskAsync(env);
            await response.Content.ReadAsByteArrayAsync(Token);
        }

        time.Advance(TimeSpan.FromSeconds(5));
        var probe = await GrpcAnswer.AskAsync(env);
        probe.Dispose();
        Assert.Equal(0, env.State("orders").InFlight);
        // The breaker hears of it on another thread.
        await Eventually.HoldsAsync(() => Breakers(env).StateOf("orders") == MeshCircuitState.Open);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true, 500)]
    [InlineData(false, 500)]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    public async Task SendAsync_FallbackHangs_CallFailsWhenItsTimeIsOver(bool listens, int status)
    {
        var time = new FakeTimeProvider();
        var asked = new TaskCompletionSource<MeshFallbackArguments>();
        var late = new TaskCompletionSource<HttpResponseMessage?>();
        await using var env = Make(time, options => options.Defaults.Fallback = arguments =>
        {
            asked.SetResult(arguments);
            return new(listens ? late.Task.WaitAsync(arguments.CancellationToken) : late.Task);
        });
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsync("broken");
        });
        if (status == 0)
        {
            await Breakers(env).IsolateAsync("orders", Token);
        }

        var call = env.Client().GetAsync("http://orders/", Token);
        var arguments = await asked.Task.WaitAsync(Token);
        time.Advance(MeshDefaults.FallbackTimeout - TimeSpan.FromTicks(1));
        Assert.False(arguments.CancellationToken.IsCancellationRequested);
        time.Advance(TimeSpan.FromTicks(1));

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call);
        Assert.Equal((MeshFailureReason.FallbackTimeout, "Fallback", "orders"), (failure.Reason, failure.Stage, failure.Service));
        Assert.Contains("FallbackTimeout", failure.Message, StringComparison.Ordinal);
        Assert.Same(arguments.Failure, failure.InnerException);
        Assert.Equal(status == 0, arguments.Failure is MeshCallException { Reason: MeshFailureReason.CircuitOpen });
        Assert.Equal(0, env.State("orders").InFlight);
        if (!listens)
        {
            using var content = new WatchedContent();
            late.SetResult(new HttpResponseMessage { Content = content });
            await Eventually.HoldsAsync(() => content.IsDisposed, "the late answer to be thrown away");
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_FallbackHangsAndItsCallerGivesUp_IsCancelled()
    {
        var asked = new TaskCompletionSource();
        await using var env = Make(new FakeTimeProvider(), options => options.Defaults.Fallback = _ =>
        {
            asked.SetResult();
            return new(new TaskCompletionSource<HttpResponseMessage?>().Task);
        });
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var call = env.Client().GetAsync("http://orders/", caller.Token);
        await asked.Task.WaitAsync(Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_FallbackWithoutALimit_TakesItsTime()
    {
        var time = new FakeTimeProvider();
        var asked = new TaskCompletionSource<MeshFallbackArguments>();
        var answer = new TaskCompletionSource<HttpResponseMessage?>();
        await using var env = Make(time, options =>
        {
            options.Defaults.FallbackTimeout = TimeSpan.Zero;
            options.Defaults.Fallback = arguments =>
            {
                asked.SetResult(arguments);
                return new(answer.Task);
            };
        });
        await env.StartAsync("orders", context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        var call = env.Client().GetAsync("http://orders/", Token);
        var arguments = await asked.Task.WaitAsync(Token);
        time.Advance(TimeSpan.FromHours(1));
        Assert.False(arguments.CancellationToken.IsCancellationRequested);
        answer.SetResult(new HttpResponseMessage(HttpStatusCode.NonAuthoritativeInformation));
        using var response = await call;
        Assert.Equal(HttpStatusCode.NonAuthoritativeInformation, response.StatusCode);
    }

    private static MeshCircuitBreakers Breakers(MeshTestEnvironment env) => env.Services.GetRequiredService<MeshCircuitBreakers>();

    // Half of at least 10 calls in 10 s; opens for 5 s.
    private static MeshTestEnvironment Make(FakeTimeProvider time, Action<MeshOptions>? configure = null, MetricRecorder? meters = null) => new(
        options =>
        {
            var breaker = options.Defaults.CircuitBreaker;
            breaker.Enabled = true;
            (breaker.FailureRatio, breaker.MinimumThroughput) = (0.5, 10);
            (breaker.SamplingDuration, breaker.BreakDuration) = (TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(5));
            configure?.Invoke(options);
        },
        services: services =>
        {
            services.AddSingleton<TimeProvider>(time);
            meters?.Attach(services);
        });

    private sealed class WatchedContent() : ByteArrayContent([])
    {
        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
