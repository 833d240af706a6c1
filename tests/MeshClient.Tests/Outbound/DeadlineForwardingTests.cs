using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>What instances are told of the deadline, and nobody else is.</summary>
public sealed class DeadlineForwardingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_AmbientDeadline_IsToldInMillisecondsThatAreLeft()
    {
        await using var env = new MeshTestEnvironment();
        var seen = await StartAsync(env);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        using (MeshDeadline.Begin(TimeSpan.FromSeconds(8)))
        {
            using var response = await env.Client().SendAsync(request, Token);
        }

        Assert.InRange(int.Parse(seen["mesh-timeout-ms"], CultureInfo.InvariantCulture), 1, 8000);
        Assert.False(seen.ContainsKey("grpc-timeout"));
        Assert.False(request.Headers.Contains("mesh-timeout-ms"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_FromWhatARequestLeftRunning_IsNotBoundByItsDeadline()
    {
        await using var env = new MeshTestEnvironment();
        var seen = await StartAsync(env);
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task left;
        using (var request = MeshDeadline.Begin(TimeSpan.FromMilliseconds(20)))
        {
            left = CallLaterAsync();
            await Eventually.HoldsAsync(() => request.Remaining == TimeSpan.Zero);
        }

        over.SetResult();
        await left;
        Assert.False(seen.ContainsKey("mesh-timeout-ms"));

        async Task CallLaterAsync()
        {
            await over.Task;
            await env.Client().GetStringAsync("http://orders/", Token);
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(1, "buffered")]
    [InlineData(2, "buffered")]
    [InlineData(1, "stream")]
    [InlineData(2, "stream")]
    [InlineData(1, "stream with a token")]
    [InlineData(2, "stream with a token")]
    [InlineData(1, "synchronous")]
    [InlineData(2, "synchronous")]
    [InlineData(1, "synchronous into an array")]
    [InlineData(2, "synchronous into an array")]
    [InlineData(1, "synchronous copy")]
    [InlineData(2, "synchronous copy")]
    public async Task ReadAsync_AnswerStallsBeyondTheAmbientDeadline_IsTheDeadline(int version, string how)
    {
        var time = new FakeTimeProvider();
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: services =>
        {
            services.AddSingleton<TimeProvider>(time);
            meters.Attach(services);
        });
        var aborted = 0;
        var peer = await env.StartAsync("orders", async context =>
        {
            await context.Response.WriteAsync("half");
            await context.Response.Body.FlushAsync();
            if (context.Request.Path == "/stalls")
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted).ContinueWith(_ => aborted++, TaskScheduler.Default);
            }
        });
        var client = env.Client();
        client.DefaultRequestVersion = new Version(version, version == 1 ? 1 : 0);
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        await client.GetStringAsync("http://orders/", Token);
        using (MeshDeadline.Begin(TimeSpan.FromSeconds(3), time))
        {
            var reading = ReadAsync(client, how);
            await Eventually.HoldsAsync(() => meters.Of("meshclient.attempt.duration").Count == 2, "the head of the answer");
            time.Advance(TimeSpan.FromSeconds(3));
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => reading.BoundedAsync());
            Assert.Equal(
                (MeshFailureReason.DeadlineExceeded, "Deadline", "orders", 1),
                (failure.Reason, failure.Stage, failure.Service, failure.Attempts));
            Assert.Contains("answer was being read", failure.Message, StringComparison.Ordinal);
        }

        await Eventually.HoldsAsync(() => aborted == 1 && env.State("orders").InFlight == 0);
        Assert.False(env.Instance("orders", peer.Port).IsSuspect);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("the deadline", true)]
    [InlineData("the reader", true)]
    [InlineData("the reader without a deadline", false)]
    public async Task ReadAsync_AnswerStalls_TellsNothingOfTheInstance(string cutOffBy, bool isEjected)
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        var peer = await env.StartAsync("orders", async context =>
        {
            await context.Response.Body.FlushAsync();
            if (context.Request.Path == "/stalls")
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            }
        });
        await env.Client().GetStringAsync("http://orders/", Token);
        var instance = env.Instance("orders", peer.Port);
        using var deadline = cutOffBy == "the reader without a deadline" ? null : MeshDeadline.Begin(TimeSpan.FromSeconds(3), time);
        using var answer = await env.Client().GetAsync("http://orders/stalls", HttpCompletionOption.ResponseHeadersRead, Token);
        using var stream = await answer.Content.ReadAsStreamAsync(Token);
        // The only one is never ejected.
        env.List("orders", RawPeer.ClosedPort());
        await Eventually.HoldsAsync(() => env.State("orders").Snapshot!.Instances.Count == 2);
        for (var i = 1; i < MeshDefaults.ConsecutiveFailures; i++)
        {
            instance.Ejection.Failed(Admission.Ordinary, time.GetTimestamp());
        }

        using var reader = new CancellationTokenSource();
        var reading = stream.ReadAsync(new byte[1], reader.Token).AsTask();
        if (cutOffBy == "the deadline")
        {
            time.Advance(TimeSpan.FromSeconds(3));
            await Assert.ThrowsAsync<MeshCallException>(() => reading.BoundedAsync());
        }
        else
        {
            await reader.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.BoundedAsync());
        }

        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0);
        Assert.False(instance.Ejection.IsEjected);
        instance.Ejection.Failed(Admission.Ordinary, time.GetTimestamp());
        // A success in between would have begun the run of failures anew.
        Assert.Equal(isEjected, instance.Ejection.IsEjected);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task ReadAsync_CallsWithAndWithoutADeadline_NeitherCutsTheOther()
    {
        var time = new FakeTimeProvider();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        await env.StartAsync("orders", async context =>
        {
            await context.Response.WriteAsync("half");
            await context.Response.Body.FlushAsync();
            if (context.Request.Path == "/slow")
            {
                await release.Task;
            }

            await context.Response.WriteAsync(" and half");
        });
        using var reader = new CancellationTokenSource();
        for (var i = 0; i < 50; i++)
        {
            using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(3), time);
            using var answer = await env.Client().GetAsync("http://orders/", HttpCompletionOption.ResponseHeadersRead, Token);
            using var stream = await answer.Content.ReadAsStreamAsync(Token);
            Assert.Equal("half and half", await new StreamReader(stream).ReadToEndAsync(i % 3 == 0 ? reader.Token : default));
            // At the end, where there is nothing to wait for any more.
            Assert.Equal(0, await stream.ReadAsync(new byte[1], CancellationToken.None));
        }

        // On the same timers, for much longer than those deadlines and all limits of their own.
        var slow = await Task.WhenAll(Enumerable.Range(0, 8).Select(
            _ => env.Client().GetAsync("http://orders/slow", HttpCompletionOption.ResponseHeadersRead, Token)));
        var reading = Task.WhenAll(slow.Select(answer => answer.Content.ReadAsStringAsync(Token)));
        time.Advance(TimeSpan.FromMinutes(2));
        release.SetResult();
        Assert.All(await reading.BoundedAsync(), answer => Assert.Equal("half and half", answer));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_NoAmbientDeadline_NothingIsTold()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.CallTimeout = TimeSpan.FromSeconds(9));
        var seen = await StartAsync(env);
        await env.Client().GetStringAsync("http://orders/", Token);
        Assert.DoesNotContain(seen.Keys, name => name.Contains("timeout", StringComparison.OrdinalIgnoreCase));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(null, 1, 8000, null)]
    [InlineData("3S", 3000, 3000, "3S")]
    [InlineData("60S", 1, 8000, "60S")]
    [InlineData("nonsense", 1, 8000, "nonsense")]
    public async Task SendAsync_Grpc_IsToldTheShorterOfTheAppsAndTheAmbient(string? app, int least, int most, string? after)
    {
        await using var env = new MeshTestEnvironment();
        var seen = await StartAsync(env);
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/pkg.Service/Method") { Content = new ByteArrayContent([0, 0, 0, 0, 0]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        if (app is not null)
        {
            request.Headers.TryAddWithoutValidation("grpc-timeout", app);
        }

        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(8));
        using var response = await env.Client().SendAsync(request, Token);
        Assert.True(TimeoutHeader.TryParseGrpc(seen["grpc-timeout"], out var told));
        Assert.InRange(told.TotalMilliseconds, least, most);
        Assert.False(seen.ContainsKey("mesh-timeout-ms"));
        Assert.Equal(after, request.Headers.TryGetValues("grpc-timeout", out var values) ? values.Single() : null);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_Retries_EachToldWhatIsLeftThen()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(
            options =>
            {
                options.Defaults.Retry.BaseDelay = TimeSpan.Zero;
                options.Defaults.MaxRetries = 3;
            },
            services: services => services.AddSingleton<TimeProvider>(time));
        var told = new ConcurrentQueue<string>();
        for (var i = 0; i < 4; i++)
        {
            await env.StartAsync("orders", context =>
            {
                told.Enqueue(context.Request.Headers["mesh-timeout-ms"].ToString());
                time.Advance(TimeSpan.FromMilliseconds(20));
                context.Response.StatusCode = 503;
                return Task.CompletedTask;
            });
        }

        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(10), time);
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(["10000", "9980", "9960", "9940"], told);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_Hedges_EachToldWhatIsLeftThen()
    {
        var time = new FakeTimeProvider();
        var delay = TimeSpan.FromMilliseconds(137);
        await using var env = new MeshTestEnvironment(
            options =>
            {
                options.Defaults.Hedging.Enabled = true;
                (options.Defaults.Hedging.Delay, options.Defaults.Hedging.BudgetRatio, options.Defaults.Hedging.MaxHedges) = (delay, 1, 2);
            },
            services: services => services.AddSingleton<TimeProvider>(time));
        var told = new ConcurrentQueue<string>();
        for (var i = 0; i < 3; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                if (context.Request.Path != "/slow")
                {
                    return;
                }

                told.Enqueue(context.Request.Headers["mesh-timeout-ms"].ToString());
                if (told.Count < 3)
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
                }

                await context.Response.WriteAsync("third");
            });
        }

        // The share of one call pays for one hedge.
        await env.Client().GetStringAsync("http://orders/", Token);
        // So that the timer of that call is no longer on.
        time.Advance(TimeSpan.FromSeconds(1));
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/slow");
        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(10), time);
        var call = env.Client().SendAsync(request, Token);
        for (var sent = 1; sent < 3; sent++)
        {
            await Eventually.HoldsAsync(() => told.Count == sent, $"{sent} attempts on their way");
            await time.WaitForTimerAsync(delay, cancellationToken: Token);
            time.Advance(delay);
        }

        using var response = await call.BoundedAsync();
        Assert.Equal("third", await response.Content.ReadAsStringAsync(Token));
        Assert.Equal(["10000", "9863", "9726"], told);
        Assert.False(request.Headers.Contains("mesh-timeout-ms"));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_OutsideTheMesh_NothingIsTold()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.AllowPlaintext = true);
        var seen = new List<string>();
        var plain = env.Own(await HttpPeer.StartAsync(context =>
        {
            lock (seen)
            {
                seen.AddRange(context.Request.Headers.Keys);
            }

            return Task.CompletedTask;
        }));
        env.List("orders", plain.Port, InstanceSecurity.Plaintext);
        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(8));
        using var asInstance = await env.Client().GetAsync("http://orders/", Token);
        using var asHost = await env.Client().GetAsync(plain.Address, Token);
        Assert.Equal(2, plain.Requests);
        Assert.DoesNotContain(seen, name => name.Contains("timeout", StringComparison.OrdinalIgnoreCase));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_AmbientEndsBeforeTheAttempt_IsTheDeadlineNotTheCallerNorTheAttempt()
    {
        var time = new FakeTimeProvider();
        await using var env = new MeshTestEnvironment(services: services => services.AddSingleton<TimeProvider>(time));
        var peer = await env.StartAsync("orders", context => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
        using (MeshDeadline.Begin(TimeSpan.FromSeconds(3), time))
        {
            var late = env.Client().GetAsync("http://orders/", Token);
            await Eventually.HoldsAsync(() => peer.Requests == 1);
            time.Advance(TimeSpan.FromSeconds(3));
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => late.BoundedAsync());
            Assert.Equal((MeshFailureReason.DeadlineExceeded, "Deadline", 1), (failure.Reason, failure.Stage, failure.Attempts));
        }

        using var caller = new CancellationTokenSource();
        using var far = MeshDeadline.Begin(TimeSpan.FromSeconds(60), time);
        var given = env.Client().GetAsync("http://orders/", caller.Token);
        await Eventually.HoldsAsync(() => peer.Requests == 2);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given.BoundedAsync());
    }

    private static async Task<Dictionary<string, string>> StartAsync(MeshTestEnvironment env)
    {
        var seen = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        await env.StartAsync("orders", context =>
        {
            foreach (var (name, value) in context.Request.Headers)
            {
                seen[name] = value.ToString();
            }

            return Task.CompletedTask;
        });
        return seen;
    }

    private static async Task<string> ReadAsync(HttpClient client, string how)
    {
        if (how == "buffered")
        {
            return await client.GetStringAsync("http://orders/stalls", Token);
        }

        using var answer = await client.GetAsync("http://orders/stalls", HttpCompletionOption.ResponseHeadersRead, Token);
        if (how.StartsWith("synchronous", StringComparison.Ordinal))
        {
            // A thread of its own, for it is blocked.
            return await Task.Factory.StartNew(() => Read(answer.Content, how), Token, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        using var stream = await answer.Content.ReadAsStreamAsync(Token);
        using var reader = new CancellationTokenSource();
        return await new StreamReader(stream).ReadToEndAsync(how == "stream" ? default : reader.Token);
    }

    private static string Read(HttpContent content, string how)
    {
        var text = new MemoryStream();
        if (how == "synchronous copy")
        {
            content.CopyTo(text, null, Token);
        }
        else
        {
            using var stream = content.ReadAsStream(Token);
            var buffer = new byte[3];
            for (var read = 1; read > 0; text.Write(buffer, 0, read))
            {
                read = how == "synchronous" ? stream.Read(buffer.AsSpan()) : stream.Read(buffer, 0, buffer.Length);
            }
        }

        return System.Text.Encoding.UTF8.GetString(text.ToArray());
    }
}
