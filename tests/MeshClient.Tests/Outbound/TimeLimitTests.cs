using MeshClient.Configuration;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>Attempt timeout, call deadline and the caller's own cancellation are told apart.</summary>
public sealed class TimeLimitTests
{
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(2);

    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_InstanceThatNeverAnswers_IsAnAttemptTimeoutThatNamesTheSetting()
    {
        await using var env = Make(options => options.Defaults.MaxRetries = 1);
        var (silent, seen) = StartSilent(env);
        var call = env.Client().GetAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => seen() == 1);
        _time.Advance(AttemptTimeout);
        await Eventually.HoldsAsync(() => seen() == 2);
        _time.Advance(AttemptTimeout - TimeSpan.FromTicks(1));
        Assert.False(call.IsCompleted);
        _time.Advance(TimeSpan.FromTicks(1));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.BoundedAsync());
        Assert.Equal((MeshFailureReason.AttemptTimeout, "AttemptTimeout", "orders", 2), (failure.Reason, failure.Stage, failure.Service, failure.Attempts));
        Assert.Equal($"orders-127.0.0.1-{silent.Port}", failure.Instance);
        Assert.Contains("AttemptTimeout", failure.Message, StringComparison.Ordinal);
        Assert.IsType<TimeoutException>(failure.InnerException);
        Assert.Equal(2, seen());
        Assert.Equal(0, env.State("orders").InFlight);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task SendAsync_UploadThatTakesLongerThanAllLimits_IsNotCut(string version)
    {
        await using var env = Make(options => options.Defaults.CallTimeout = AttemptTimeout);
        await env.StartAsync("orders", async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            await context.Response.WriteAsync(await reader.ReadToEndAsync(context.RequestAborted));
        });
        await env.Client().GetAsync("http://orders/", Token);
        var content = new SlowContent();
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Version = Version.Parse(version), Content = content };

        var call = env.Client().SendAsync(request, Token);
        await content.Begun.BoundedAsync();
        _time.Advance(AttemptTimeout * 3);
        content.End();
        using var response = await call.BoundedAsync();

        Assert.Equal("begin-end", await response.Content.ReadAsStringAsync(Token));
        Assert.Same(content, request.Content);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_UploadSentAndNoAnswer_IsAnAttemptTimeoutFromThereOn()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.AttemptTimeout = TimeSpan.FromMilliseconds(150));
        StartSilent(env);
        var content = new SlowContent();
        content.End();
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Content = content };

        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().SendAsync(request, Token));

        Assert.Equal((MeshFailureReason.AttemptTimeout, 1), (failure.Reason, failure.Attempts));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_OneInstanceNeverAnswers_TheOtherHealsTheCall()
    {
        await using var env = Make();
        var (_, seen) = StartSilent(env);
        var good = await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        var calls = 0;
        for (; calls < 10 || seen() == 0; calls++)
        {
            var before = seen();
            var call = env.Client().GetStringAsync("http://orders/", Token);
            await Eventually.HoldsAsync(() => call.IsCompleted || seen() > before);
            if (seen() > before)
            {
                _time.Advance(AttemptTimeout);
            }

            Assert.Equal("x", await call.BoundedAsync());
        }

        Assert.Equal(calls, good.Requests);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_InstanceThatNeverAnswers_IsNotRepeated()
    {
        await using var env = Make();
        var (_, first) = StartSilent(env);
        var (_, second) = StartSilent(env);
        var call = env.Client().PostAsync("http://orders/", new StringContent("x"), Token);
        await Eventually.HoldsAsync(() => first() + second() == 1);
        _time.Advance(AttemptTimeout);
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.BoundedAsync());
        Assert.Equal((MeshFailureReason.AttemptTimeout, 1), (failure.Reason, failure.Attempts));
        Assert.Equal(1, first() + second());
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SendAsync_TimeOfTheCallIsOver_IsADeadlineEachTimeAndNeverRepeated(bool ambient)
    {
        // Many times, since a timer may fire a moment before the clock says so.
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.CallTimeout = ambient ? TimeSpan.FromSeconds(15) : TimeSpan.FromMilliseconds(30);
        });
        var (_, first) = StartSilent(env);
        var (_, second) = StartSilent(env);
        var attempts = 0;
        // The first has to wait for the registry, and a busy machine may not get beyond that in time.
        await Eventually.HoldsAsync(async () => (await FailAsync()).Attempts == 1);
        for (var i = 0; i < 30; i++)
        {
            var failure = await FailAsync();
            Assert.Equal((MeshFailureReason.DeadlineExceeded, "Deadline"), (failure.Reason, failure.Stage));
            // None when a busy machine let the time pass before the first; never a second.
            Assert.InRange(failure.Attempts, ambient ? 0 : 1, 1);
        }

        // What was given up may have come to an instance late, or not at all.
        Assert.InRange(first() + second(), 0, attempts);

        async Task<MeshCallException> FailAsync()
        {
            using var deadline = ambient ? MeshDeadline.Begin(TimeSpan.FromMilliseconds(30)) : null;
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
            attempts += failure.Attempts;
            return failure;
        }
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_AttemptsUseUpTheCallsTime_EndsWithTheDeadline()
    {
        await using var env = Make(options => (options.Defaults.CallTimeout, options.Defaults.MaxRetries) = (AttemptTimeout * 2.5, 10));
        var (_, first) = StartSilent(env);
        var (_, second) = StartSilent(env);
        var call = env.Client().GetAsync("http://orders/", Token);
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            await Eventually.HoldsAsync(() => first() + second() == attempt);
            _time.Advance(AttemptTimeout);
        }

        await Eventually.HoldsAsync(() => first() + second() == 3);
        _time.Advance((AttemptTimeout / 2) - TimeSpan.FromTicks(1));
        Assert.False(call.IsCompleted);
        _time.Advance(TimeSpan.FromTicks(1));
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => call.BoundedAsync());
        Assert.Equal((MeshFailureReason.DeadlineExceeded, 3), (failure.Reason, failure.Attempts));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_CallerCancels_StaysACancellationAndBlamesNobody()
    {
        await using var env = new MeshTestEnvironment();
        var (silent, seen) = StartSilent(env);
        for (var i = 1; i <= 6; i++)
        {
            using var caller = CancellationTokenSource.CreateLinkedTokenSource(Token);
            using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
            var call = env.Client().SendAsync(request, caller.Token);
            await Eventually.HoldsAsync(() => seen() == i);
            await caller.CancelAsync();
            var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(call.BoundedAsync);
            Assert.Equal(caller.Token, cancelled.CancellationToken);
            Assert.Equal("http://orders/", request.RequestUri!.OriginalString);
        }

        Assert.Equal(0, env.State("orders").InFlight);
        var instance = env.Instance("orders", silent.Port);
        Assert.Equal(0, instance.Load.InFlight);
        // Six cancellations and then four failures are four failures.
        for (var i = 0; i < 4; i++)
        {
            instance.Ejection.Failed(MeshClient.Health.Admission.Ordinary, 0);
        }

        Assert.False(instance.Ejection.IsEjected);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_HttpClientTimeout_IsTheOrdinaryOne()
    {
        await using var env = new MeshTestEnvironment();
        StartSilent(env);
        var client = env.Client();
        client.Timeout = TimeSpan.FromMilliseconds(100);
        var cancelled = await Assert.ThrowsAsync<TaskCanceledException>(() => client.GetAsync("http://orders/", Token));
        Assert.IsType<TimeoutException>(cancelled.InnerException);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_NoLimits_WaitsForASlowAnswer()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.CallTimeout = TimeSpan.Zero;
            options.Defaults.AttemptTimeout = TimeSpan.Zero;
        });
        var answer = new TaskCompletionSource();
        await env.StartAsync("orders", async context =>
        {
            await answer.Task.WaitAsync(context.RequestAborted);
            await context.Response.WriteAsync("late");
        });
        using var deadline = MeshDeadline.Begin(TimeSpan.MaxValue);
        using var far = MeshDeadline.Begin(TimeSpan.FromDays(400));
        var call = env.Client().GetStringAsync("http://orders/", Token);
        await Eventually.HoldsAsync(() => env.Destinations.Services.Any() && env.State("orders").InFlight == 1);
        answer.SetResult();
        Assert.Equal("late", await call.BoundedAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_BodyThatTakesLongerThanAllLimits_IsNotCut()
    {
        await using var env = Make(options => options.Defaults.CallTimeout = AttemptTimeout);
        await using var held = await HeldCall.StartAsync(env);
        _time.Advance(AttemptTimeout * 3);
        Assert.Equal("a", await held.EndAsync());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ConnectThatHangs_FailsWithTheConnectTimeoutAndIsRepeated()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.ConnectTimeout = TimeSpan.FromMilliseconds(200));
        // Accepts, and never says a word of TLS.
        var mute = env.Own(RawPeer.Start((stream, _, token) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token)));
        env.List("orders", mute.Port);
        var failure = await Assert.ThrowsAsync<MeshCallException>(
            () => env.Client().PostAsync("http://orders/", new StringContent("x"), Token));
        Assert.Equal((MeshFailureReason.ConnectFailed, 3), (failure.Reason, failure.Attempts));
        Assert.Contains($"127.0.0.1:{mute.Port}", failure.Message, StringComparison.Ordinal);
    }

    // Time passes when the test says so, and not while a call gets to its instance.
    private MeshTestEnvironment Make(Action<MeshOptions>? configure = null) => new(
        options =>
        {
            options.Defaults.AttemptTimeout = AttemptTimeout;
            options.Defaults.Retry.BaseDelay = TimeSpan.Zero;
            configure?.Invoke(options);
        },
        services: services => services.AddSingleton<TimeProvider>(_time));

    private static (RawPeer Peer, Func<int> Seen) StartSilent(MeshTestEnvironment env)
    {
        var seen = 0;
        var peer = env.StartRaw("orders", async (stream, _, token) =>
        {
            while (await RawPeer.ReadHeadAsync(stream, token) is not null)
            {
                Interlocked.Increment(ref seen);
            }
        });
        return (peer, () => Volatile.Read(ref seen));
    }

    /// <summary>A body whose end comes when the test says so.</summary>
    private sealed class SlowContent : HttpContent
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Begun => _begun.Task;

        public void End() => _end.TrySetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            await stream.WriteAsync("begin-"u8.ToArray(), Token);
            await stream.FlushAsync(Token);
            _begun.TrySetResult();
            await _end.Task.WaitAsync(Token);
            await stream.WriteAsync("end"u8.ToArray(), Token);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
