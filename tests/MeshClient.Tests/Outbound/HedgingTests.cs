using System.Net;
using System.Threading.Channels;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>A second attempt beside a slow first, over real connections.</summary>
public sealed class HedgingTests
{
    // Like nothing else that anybody waits for.
    private static readonly TimeSpan HedgeDelay = TimeSpan.FromMilliseconds(137);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_FirstInstanceHangs_TheOtherAnswersAndTheLoserIsCancelled()
    {
        using var meters = new MetricRecorder();
        await using var env = Make(options => options.Defaults.Hedging.Delay = TimeSpan.FromMilliseconds(50), meters.Attach);
        var (peers, seen) = await StartAsync(env, hang: 0);
        // So that both have a connection, and the first attempt is the first to arrive.
        for (var i = 0; i < 100 && peers.Any(peer => peer.Requests == 0); i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        var before = (Hedges: meters.Of("meshclient.hedges").Count, Attempts: meters.Of("meshclient.attempt.duration").Count, Calls: meters.Of("meshclient.call.duration").Count);
        var requests = peers.Select(peer => peer.Requests).ToList();
        seen.Headers.Clear();
        seen.Hang = seen.Requests + 1;
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        request.Headers.Add("x-one", "1");
        request.Headers.Add("x-two", ["a", "b"]);
        using var response = await env.Client().SendAsync(request, Token);
        Assert.Equal("answer", await response.Content.ReadAsStringAsync(Token));
        Assert.Same(request, response.RequestMessage);
        Assert.Equal("http://orders/", request.RequestUri!.ToString());
        Assert.Equal(requests.Select(before => before + 1), peers.Select(peer => peer.Requests));
        Assert.Equal(2, seen.Headers.Count);
        Assert.All(seen.Headers, headers => Assert.Equal("1|a,b", headers));
        await Eventually.HoldsAsync(() => seen.Aborted == 1, "the loser is cancelled");
        await Eventually.HoldsAsync(() => peers.All(peer => env.Instance("orders", peer.Port).Load.InFlight == 0));
        Assert.Equal(0, env.State("orders").InFlight);
        // Neither ejected for it, nor a retry.
        Assert.Equal(0, env.State("orders").Health.Ejected);
        Assert.Empty(meters.Of("meshclient.retries"));
        var hedge = Assert.Single(meters.Of("meshclient.hedges").Skip(before.Hedges));
        Assert.Equal((1, "orders", "won"), (hedge.Value, hedge.Tag("meshclient.service"), hedge.Tag("meshclient.outcome")));
        Assert.Equal(["cancelled", "success"], meters.Of("meshclient.attempt.duration").Skip(before.Attempts).Select(one => one.Tag("meshclient.outcome")).Order());
        Assert.Equal("success", Assert.Single(meters.Of("meshclient.call.duration").Skip(before.Calls)).Tag("meshclient.outcome"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_FirstAnswersAfterAll_WinsAndTheOtherIsThrownAway()
    {
        await using var env = Make();
        var first = new TaskCompletionSource();
        var requests = 0;
        var aborted = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                context.RequestAborted.Register(() => Interlocked.Increment(ref aborted));
                if (Interlocked.Increment(ref requests) == 1)
                {
                    await first.Task.WaitAsync(context.RequestAborted);
                    await context.Response.WriteAsync("first");
                    return;
                }

                first.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            });
        }

        Assert.Equal("first", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal(2, requests);
        await Eventually.HoldsAsync(() => aborted == 1, "the other is cancelled");
        // Paid for from both budgets.
        var state = env.State("orders");
        var now = TimeProvider.System.GetTimestamp();
        Assert.Equal((99.2, 0.0), (Math.Round(state.RetryBudget.Balance(now), 6), state.Hedging!.Budget.Balance(now)));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(HttpProtocols.Http2, 1, 200, 2)]
    [InlineData(HttpProtocols.Http1, 1, 200, 2)]
    [InlineData(HttpProtocols.Http2, 2, 200, 1)]
    [InlineData(HttpProtocols.Http1, 2, 200, 1)]
    [InlineData(HttpProtocols.Http2, 1, 500, 1)]
    [InlineData(HttpProtocols.Http1, 1, 500, 1)]
    public async Task GetAsync_LosersAnswerHasBegun_ItsInstanceIsToldThatNobodyReadsIt(
        HttpProtocols protocol, int firstToFail, int statusOfTheOther, int winner)
    {
        var time = new FakeTimeProvider();
        using var meters = new MetricRecorder();
        await using var env = MakeAt(time, options => options.Defaults.MaxRetries = 0, meters.Attach);
        var loser = 3 - winner;
        var requests = 0;
        int[] ports = new int[3], aborted = new int[3];
        TaskCompletionSource[] mayAnswer = [new(), new(), new()];
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync(
                "orders",
                async context =>
                {
                    var number = Interlocked.Increment(ref requests);
                    ports[number] = context.Connection.LocalPort;
                    context.RequestAborted.Register(() => Interlocked.Increment(ref aborted[number]));
                    await mayAnswer[number].Task.WaitAsync(context.RequestAborted);
                    context.Response.StatusCode = number == firstToFail ? 500 : statusOfTheOther;
                    // More than the runtime would read, rather than close a connection of HTTP/1.1.
                    context.Response.ContentLength = 64 * 1024 * 1024;
                    await context.Response.WriteAsync($"{number}", context.RequestAborted);
                    await context.Response.Body.FlushAsync(context.RequestAborted);
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                },
                protocol);
        }

        var call = env.Client().GetAsync("http://orders/", HttpCompletionOption.ResponseHeadersRead, Token);
        await Eventually.HoldsAsync(() => requests == 1, "the first attempt");
        await HedgeAsync(time);
        await Eventually.HoldsAsync(() => requests == 2, "the hedge");
        mayAnswer[firstToFail].SetResult();
        await Eventually.HoldsAsync(() => meters.Of("meshclient.attempt.duration").Count == 1, "the head of the first answer");
        Assert.Equal((0, 0), (aborted[1], aborted[2]));
        Assert.Equal((1, 1), (InFlight(1), InFlight(2)));
        mayAnswer[3 - firstToFail].SetResult();
        using (var response = await call.BoundedAsync())
        {
            Assert.Equal(winner == firstToFail ? 500 : statusOfTheOther, (int)response.StatusCode);
            Assert.Equal((0, 1), (InFlight(loser), InFlight(winner)));
            await Eventually.HoldsAsync(() => aborted[loser] == 1, "the loser's instance is told");
            Assert.Equal(0, aborted[winner]);
            await using var body = await response.Content.ReadAsStreamAsync(Token);
            Assert.Equal('0' + winner, body.ReadByte());
        }

        Assert.Equal((0, 0, 0), (InFlight(loser), InFlight(winner), env.State("orders").InFlight));

        int InFlight(int number) => env.Instance("orders", ports[number]).Load.InFlight;
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("bad, before the other won")]
    [InlineData("good, after it was cancelled")]
    public async Task GetAsync_LosersAnswerComes_ItIsDisposedAndNotTheWinners(string answer)
    {
        const int Port = 1001;
        var time = new FakeTimeProvider();
        using var meters = new MetricRecorder();
        var network = new DecidedNetwork();
        await using var env = MakeAt(time, services: services =>
        {
            meters.Attach(services);
            network.Attach(services);
        });
        env.List("orders", Port);
        env.List("orders", Port + 1);
        var call = env.Client().GetAsync("http://orders/", HttpCompletionOption.ResponseHeadersRead, Token);
        var loser = await network.NextAsync();
        var losersPort = InFlight(Port) == 1 ? Port : Port + 1;
        await HedgeAsync(time);
        var winner = await network.NextAsync();
        Assert.Equal((1, 1), (InFlight(Port), InFlight(Port + 1)));
        if (answer == "bad, before the other won")
        {
            loser.Answer(HttpStatusCode.InternalServerError);
            await Eventually.HoldsAsync(() => meters.Of("meshclient.attempt.duration").Count == 1, "the loser's answer");
            Assert.False(loser.IsDisposed);
            winner.Answer(HttpStatusCode.OK);
        }
        else
        {
            winner.Answer(HttpStatusCode.OK);
            await Eventually.HoldsAsync(() => loser.IsCancelled, "the loser is cancelled");
            loser.Answer(HttpStatusCode.OK);
        }

        using (await call.BoundedAsync())
        {
            Assert.Equal((true, false), (loser.IsDisposed, winner.IsDisposed));
            Assert.Equal((0, 1), (InFlight(losersPort), InFlight((2 * Port) + 1 - losersPort)));
        }

        Assert.True(winner.IsDisposed);
        Assert.Equal((0, 0, 0), (InFlight(Port), InFlight(Port + 1), env.State("orders").InFlight));

        int InFlight(int port) => env.Instance("orders", port).Load.InFlight;
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("POST", false, 1)]
    [InlineData("POST", true, 2)]
    [InlineData("PUT", false, 2)]
    public async Task SendAsync_WhatMayNotRunTwice_IsNotHedged(string method, bool marked, int attempts)
    {
        await using var env = Make();
        var (requests, bodies) = (0, new List<string>());
        var release = new TaskCompletionSource();
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                var body = await new StreamReader(context.Request.Body).ReadToEndAsync(Token);
                lock (bodies)
                {
                    bodies.Add(body);
                }

                if (Interlocked.Increment(ref requests) == 1)
                {
                    // Far longer than the delay; ends at once when the other came.
                    await Task.WhenAny(release.Task, Task.Delay(TimeSpan.FromMilliseconds(attempts == 1 ? 300 : 10_000), TimeProvider.System, Token));
                }
                else
                {
                    release.TrySetResult();
                }
            });
        }

        using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders/") { Content = new StringContent("pay") };
        request.Options.Set(MeshRequestOptions.Idempotent, marked);
        using var response = await env.Client().SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(Enumerable.Repeat("pay", attempts), bodies);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_OnlyOneInstance_IsNotCalledTwice()
    {
        await using var env = Make();
        var (peers, _) = await StartAsync(env, hang: 0, count: 1, slow: TimeSpan.FromMilliseconds(200));
        Assert.Equal("answer", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal(1, peers[0].Requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_FirstFailsWhileTheOtherIsOnItsWay_TheOtherCounts()
    {
        await using var env = Make();
        var (requests, second) = (0, new TaskCompletionSource());
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                if (Interlocked.Increment(ref requests) == 1)
                {
                    await second.Task.WaitAsync(context.RequestAborted);
                    context.Response.StatusCode = 500;
                    return;
                }

                second.SetResult();
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, context.RequestAborted);
                await context.Response.WriteAsync("second");
            });
        }

        Assert.Equal("second", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal(2, requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_EveryAttemptFails_IsTheFirstsFailureAndIsRetriedWithinTheNumber()
    {
        await using var env = Make(options => options.Defaults.MaxRetries = 2);
        var (requests, both) = (0, new TaskCompletionSource());
        for (var i = 0; i < 3; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                var number = Interlocked.Increment(ref requests);
                if (number == 2)
                {
                    both.SetResult();
                }

                await both.Task.WaitAsync(context.RequestAborted);
                context.Response.StatusCode = 503;
                await context.Response.WriteAsync($"{number}", Token);
            });
        }

        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        // Two in the race, one retry: three in all, as MaxRetries says.
        Assert.Equal(3, requests);
        Assert.Equal("3", await response.Content.ReadAsStringAsync(Token));
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_EveryAttemptFails_TheRetryGoesToNoneOfTheRace()
    {
        await using var env = Make(
            options => options.Defaults.MaxRetries = 2, services => services.AddSingleton<IInstancePicker>(new FirstOfAll()));
        var (requests, both) = (0, new TaskCompletionSource());
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 3; i++)
        {
            peers.Add(await env.StartAsync("orders", async context =>
            {
                if (Interlocked.Increment(ref requests) == 2)
                {
                    both.SetResult();
                }

                await both.Task.WaitAsync(context.RequestAborted);
                context.Response.StatusCode = 503;
            }));
        }

        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal([1, 1, 1], peers.Select(peer => peer.Requests));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_EveryCallSlow_SecondCallsStayWithinTheirShare()
    {
        await using var env = Make(options => options.Defaults.Hedging.BudgetRatio = 0.1);
        var (peers, _) = await StartAsync(env, hang: 0, slow: TimeSpan.FromMilliseconds(30));
        for (var i = 0; i < 40; i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        Assert.InRange(peers.Sum(peer => peer.Requests), 43, 44);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_RetryBudgetSpent_NothingIsHedgedAndThatIsCounted()
    {
        using var meters = new MetricRecorder();
        await using var env = Make(options => (options.Defaults.RetryBudgetPerSecond, options.Defaults.RetryBudgetRatio) = (0, 0), meters.Attach);
        var (peers, _) = await StartAsync(env, hang: 0, slow: TimeSpan.FromMilliseconds(50));
        for (var i = 0; i < 5; i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        Assert.Equal(5, peers.Sum(peer => peer.Requests));
        var exhausted = meters.Of("meshclient.retry_budget.exhausted");
        Assert.Equal(5, exhausted.Sum(one => one.Value));
        Assert.All(exhausted, one => Assert.Equal("orders", one.Tag("meshclient.service")));
        // Of the other budget nothing was spent on them.
        Assert.Equal(5, env.State("orders").Hedging!.Budget.Balance(TimeProvider.System.GetTimestamp()));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_DeadlinePassesInTheRace_IsTheDeadlineAndBothAreCancelled()
    {
        await using var env = Make(options => options.Defaults.CallTimeout = TimeSpan.FromMilliseconds(1500));
        var (peers, seen) = await StartAsync(env, hang: 2);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal((MeshFailureReason.DeadlineExceeded, 2), (failure.Reason, failure.Attempts));
        Assert.Equal([1, 1], peers.Select(peer => peer.Requests));
        await Eventually.HoldsAsync(() => seen.Aborted == 2);
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_SeveralHedgesAllowed_EachGoesToAnotherInstance()
    {
        await using var env = Make(options => (options.Defaults.Hedging.MaxHedges, options.Defaults.Hedging.Delay) = (3, TimeSpan.FromMilliseconds(50)));
        var (peers, seen) = await StartAsync(env, hang: 0, count: 4);
        // A share has to come together first, and all have to have connections: calls that are not slow.
        for (var i = 0; i < 20 || (i < 500 && peers.Any(peer => peer.Requests == 0)); i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        await Eventually.HoldsAsync(() => peers.All(peer => env.Instance("orders", peer.Port).Load.InFlight == 0));
        var before = peers.Select(peer => peer.Requests).ToList();
        seen.Hang = seen.Requests + 3;
        Assert.Equal("answer", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal(before.Select(requests => requests + 1), peers.Select(peer => peer.Requests));
        await Eventually.HoldsAsync(() => peers.All(peer => env.Instance("orders", peer.Port).Load.InFlight == 0));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_CallerGivesUpInTheRace_BothAreCancelled()
    {
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await using var env = Make();
        var (peers, seen) = await StartAsync(env, hang: 2);
        var call = env.Client().GetAsync("http://orders/", caller.Token);
        await Eventually.HoldsAsync(() => peers.Sum(peer => peer.Requests) == 2);
        await caller.CancelAsync();
        var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.BoundedAsync());
        Assert.Equal(caller.Token, cancelled.CancellationToken);
        await Eventually.HoldsAsync(() => seen.Aborted == 2);
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_ManyCallsInTheRace_NoTimerCancelsAnother()
    {
        await using var env = Make(options => options.Defaults.Hedging.BudgetRatio = 1);
        var random = new Random(3);
        for (var i = 0; i < 3; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                int pause;
                lock (random)
                {
                    pause = random.Next(0, 12);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(pause), TimeProvider.System, context.RequestAborted);
                await context.Response.WriteAsync("answer", context.RequestAborted);
            });
        }

        var client = env.Client();
        await using var load = Load.Start(8, async token => Assert.Equal("answer", await client.GetStringAsync("http://orders/", token)));
        await load.MakeAsync(1500);
        await load.StopAsync();
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0);
        Assert.Equal(0, env.State("orders").Health.Ejected);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_FirstIsAnsweredWhileItsMessageIsCopied_MessageIsNotTouchedMeanwhile()
    {
        // Long enough for the first attempt to have gone out by then.
        await using var env = Make(options => options.Defaults.Hedging.Delay = TimeSpan.FromMilliseconds(300));
        var (requests, isCopied) = (0, false);
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 2; i++)
        {
            peers.Add(await env.StartAsync("orders", async context =>
            {
                if (context.Request.Path == "/slow" && Interlocked.Increment(ref requests) == 1)
                {
                    await answer.Task.WaitAsync(context.RequestAborted);
                }

                await context.Response.WriteAsync("answer");
            }));
        }

        for (var i = 0; i < 500 && peers.Any(peer => peer.Requests == 0); i++)
        {
            await env.Client().GetStringAsync("http://orders/", Token);
        }

        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(30));
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/slow");
        var wasTouched = false;
        request.Headers.Pragma.Add(new ReadHeader(() =>
        {
            // The first to read it after the first attempt has gone out copies it.
            if (Volatile.Read(ref requests) == 1 && !isCopied)
            {
                isCopied = true;
                answer.SetResult();
                wasTouched = SpinWait.SpinUntil(() => !request.Headers.NonValidated.Contains(MeshDeadline.HeaderName), TimeSpan.FromMilliseconds(300));
            }
        }));
        using var response = await env.Client().SendAsync(request, Token);
        Assert.Equal("answer", await response.Content.ReadAsStringAsync(Token));
        Assert.True(isCopied);
        Assert.False(wasTouched);
    }

    private static MeshTestEnvironment Make(
        Action<MeshOptions>? configure = null, Action<IServiceCollection>? services = null) =>
        new(
            options =>
            {
                options.Defaults.Hedging.Enabled = true;
                options.Defaults.Hedging.Delay = TimeSpan.FromMilliseconds(5);
                // The share of a single call is no whole one.
                options.Defaults.Hedging.BudgetRatio = 1;
                options.Defaults.Hedging.MaxHedges = 1;
                configure?.Invoke(options);
            },
            services: services);

    // On a clock that stands still, so that a hedge is made when the test says so.
    private static MeshTestEnvironment MakeAt(
        FakeTimeProvider time, Action<MeshOptions>? configure = null, Action<IServiceCollection>? services = null) =>
        Make(
            options =>
            {
                options.Defaults.Hedging.Delay = HedgeDelay;
                configure?.Invoke(options);
            },
            collection =>
            {
                collection.AddSingleton<TimeProvider>(time);
                services?.Invoke(collection);
            });

    private static async Task HedgeAsync(FakeTimeProvider time)
    {
        await time.WaitForTimerAsync(HedgeDelay, cancellationToken: Token);
        time.Advance(HedgeDelay);
    }

    // The first requests hang, to whichever instance they come.
    private static async Task<(List<HttpPeer> Peers, Seen Seen)> StartAsync(
        MeshTestEnvironment env, int hang, int count = 2, TimeSpan slow = default)
    {
        var seen = new Seen { Hang = hang };
        var peers = new List<HttpPeer>();
        for (var i = 0; i < count; i++)
        {
            peers.Add(await env.StartAsync("orders", async context =>
            {
                lock (seen)
                {
                    seen.Headers.Add($"{context.Request.Headers["x-one"]}|{string.Join(',', context.Request.Headers["x-two"].ToString().Split(", "))}");
                }

                if (Interlocked.Increment(ref seen.Requests) <= seen.Hang)
                {
                    try
                    {
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                    }
                    catch (OperationCanceledException)
                    {
                        Interlocked.Increment(ref seen.Aborted);
                    }

                    return;
                }

                if (slow > TimeSpan.Zero)
                {
                    await Task.Delay(slow, TimeProvider.System, context.RequestAborted);
                }

                await context.Response.WriteAsync("answer");
            }));
        }

        return (peers, seen);
    }

    /// <summary>In place of the network: requests that are answered when and as the test says, even after they were cancelled.</summary>
    private sealed class DecidedNetwork : HttpMessageHandler
    {
        private readonly Channel<SentRequest> _sent = Channel.CreateUnbounded<SentRequest>();

        public void Attach(IServiceCollection services) => services.AddTransports(_ => this);

        public Task<SentRequest> NextAsync() => _sent.Reader.ReadAsync(Token).AsTask().BoundedAsync();

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var sent = new SentRequest(request, cancellationToken);
            _sent.Writer.TryWrite(sent);
            return sent.Answering;
        }
    }

    /// <summary>A request that is on its way, and the body of its answer.</summary>
    private sealed class SentRequest(HttpRequestMessage request, CancellationToken cancellation) : HttpContent
    {
        private readonly TaskCompletionSource<HttpResponseMessage> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<HttpResponseMessage> Answering => _answer.Task;

        public bool IsCancelled => cancellation.IsCancellationRequested;

        public bool IsDisposed { get; private set; }

        public void Answer(HttpStatusCode status) => _answer.SetResult(new HttpResponseMessage(status) { RequestMessage = request, Content = this });

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            stream.WriteAsync("answer"u8.ToArray(), CancellationToken.None).AsTask();

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }

    private sealed class FirstOfAll : IInstancePicker
    {
        public int Pick(in PickContext context) => 0;
    }

    /// <summary>Tells when it is read.</summary>
    private sealed class ReadHeader(Action read) : System.Net.Http.Headers.NameValueHeaderValue("no-cache")
    {
        public override string ToString()
        {
            read();
            return base.ToString();
        }
    }

    private sealed class Seen
    {
        public int Requests;
        public int Aborted;

        public int Hang { get; set; }

        public List<string> Headers { get; } = [];
    }
}
