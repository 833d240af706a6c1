using System.Net;
using System.Net.Http.Headers;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Tests.Support;
using MeshClient.TestSupport;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>What the settings, the instances and the deadline say of retries, over real connections.</summary>
public sealed class RetryPolicyTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("1")]
    [InlineData("date")]
    public async Task GetAsync_RetryAfter_IsWaitedFor(string value)
    {
        await using var env = new MeshTestEnvironment();
        var (first, second) = (0L, 0L);
        await StartTwoAsync(env, (context, number) =>
        {
            if (number > 1)
            {
                second = TimeProvider.System.GetTimestamp();
                return;
            }

            first = TimeProvider.System.GetTimestamp();
            context.Response.StatusCode = 503;
            // A date has whole seconds: two from now are more than one.
            context.Response.Headers.RetryAfter = value == "date"
                ? TimeProvider.System.GetUtcNow().AddSeconds(2).ToString("R", System.Globalization.CultureInfo.InvariantCulture)
                : value;
        });
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.InRange(TimeProvider.System.GetElapsedTime(first, second).TotalSeconds, 0.9, 10);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_RetryAfterTheDeadline_IsNotTriedAgain()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.CallTimeout = TimeSpan.FromSeconds(40));
        var requests = await StartTwoAsync(env, (context, _) =>
        {
            context.Response.StatusCode = 503;
            context.Response.Headers.RetryAfter = "41";
        });
        var started = TimeProvider.System.GetTimestamp();
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(1, requests());
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(30));
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("14", null, 2)]
    [InlineData("14", "0", 2)]
    [InlineData("14", "300", 2)]
    [InlineData("14", "-1", 1)]
    [InlineData("14", "soon", 1)]
    [InlineData("14", "60000", 1)]
    [InlineData("10", null, 1)]
    [InlineData("5", null, 1)]
    public async Task PostAsync_GrpcStatusInTheHead_IsRetriedAsItSays(string status, string? pushback, int attempts)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.RepeatableEndpoints = ["/pkg.Service/Get*"]);
        var (first, second) = (0L, 0L);
        var requests = await StartTwoAsync(env, (context, number) =>
        {
            context.Response.ContentType = "application/grpc";
            if (number > 1)
            {
                second = TimeProvider.System.GetTimestamp();
                context.Response.Headers["grpc-status"] = "0";
                return;
            }

            first = TimeProvider.System.GetTimestamp();
            context.Response.Headers["grpc-status"] = status;
            if (pushback is not null)
            {
                context.Response.Headers["grpc-retry-pushback-ms"] = pushback;
            }
        });
        using var response = await SendGrpcAsync(env, "GetOrder");
        Assert.Equal(attempts, requests());
        Assert.Equal(attempts == 1 ? status : "0", response.Headers.GetValues("grpc-status").Single());
        if (pushback == "300")
        {
            Assert.InRange(TimeProvider.System.GetElapsedTime(first, second).TotalMilliseconds, 295, 5000);
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(null, 2)]
    [InlineData("-1", 1)]
    [InlineData("60000", 1)]
    public async Task PostAsync_GrpcStatusOfTheSettings_PushbackHoldsForItToo(string? pushback, int attempts)
    {
        await using var env = new MeshTestEnvironment(options =>
            (options.Defaults.Retry.GrpcStatuses, options.Defaults.Retry.RepeatableEndpoints) = (["ABORTED"], ["/pkg.Service/Get*"]));
        var requests = await StartTwoAsync(env, (context, number) =>
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = number == 1 ? "10" : "0";
            if (pushback is not null)
            {
                context.Response.Headers["grpc-retry-pushback-ms"] = pushback;
            }
        });
        using var response = await SendGrpcAsync(env, "GetOrder");
        Assert.Equal(attempts, requests());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task PostAsync_GrpcMethodThatIsNotListed_IsNotRetried()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.RepeatableEndpoints = ["/pkg.Service/Get*"]);
        var requests = await StartTwoAsync(env, (context, _) =>
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = "14";
        });
        using var response = await SendGrpcAsync(env, "PlaceOrder");
        Assert.Equal(1, requests());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_StatusesOfTheSettings_TakeThePlaceOfTheOthers()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.Retry.Statuses = [409, 500];
            options.Defaults.Retry.GrpcStatuses = ["ABORTED"];
            options.Defaults.Retry.RepeatableEndpoints = ["POST /pkg.Service/*"];
        });
        var answers = new Queue<(int Status, string? Grpc)>([(409, null), (500, null), (200, null), (503, null), (200, "10"), (200, "0"), (200, "14")]);
        var requests = await StartTwoAsync(env, (context, _) =>
        {
            var (status, grpc) = answers.Dequeue();
            context.Response.StatusCode = status;
            if (grpc is not null)
            {
                context.Response.ContentType = "application/grpc";
                context.Response.Headers["grpc-status"] = grpc;
            }
        });
        using var third = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal((HttpStatusCode.OK, 3), (third.StatusCode, requests()));
        using var unavailable = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 4), (unavailable.StatusCode, requests()));
        using var aborted = await SendGrpcAsync(env, "Any");
        Assert.Equal(("0", 6), (aborted.Headers.GetValues("grpc-status").Single(), requests()));
        using var last = await SendGrpcAsync(env, "Any");
        Assert.Equal(("14", 7), (last.Headers.GetValues("grpc-status").Single(), requests()));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_ShedByTheInstance_IsNotTriedElsewhere()
    {
        await using var env = new MeshTestEnvironment();
        var requests = await StartTwoAsync(env, (context, _) =>
        {
            context.Response.StatusCode = 503;
            context.Response.Headers[ShedMarker.HeaderName] = "1";
        });
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(1, requests());
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_BudgetSpentAndNoAnswer_SaysSoWithWhatFailed()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.RetryBudgetPerSecond = 0);
        env.List("orders", RawPeer.ClosedPort());
        env.List("orders", RawPeer.ClosedPort());
        var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
        Assert.Equal(
            (MeshFailureReason.RetryBudgetExhausted, "Retry", 1, HttpRequestError.ConnectionError),
            (failure.Reason, failure.Stage, failure.Attempts, failure.HttpRequestError));
        Assert.Contains("retry budget", failure.Message, StringComparison.Ordinal);
        Assert.Equal(MeshFailureReason.ConnectFailed, Assert.IsType<MeshCallException>(failure.InnerException).Reason);
        Assert.Equal(failure.Instance, ((MeshCallException)failure.InnerException).Instance);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task SendAsync_SeveralClients_ShareOneBudget()
    {
        await using var env = new MeshTestEnvironment(
            options => (options.Defaults.RetryBudgetPerSecond, options.Defaults.RetryBudgetRatio, options.Defaults.MaxRetries) = (0, 0.2, 5),
            // However long they take: what is in the budget lapses after a while.
            services: services => services.AddSingleton<TimeProvider>(new StillClock()));
        var requests = await StartTwoAsync(env, (context, _) => context.Response.StatusCode = 503);
        for (var i = 0; i < 50; i++)
        {
            using var one = await env.Client("a").GetAsync("http://orders/", Token);
            using var other = await env.Client("b").GetAsync("https+http://orders/", Token);
        }

        Assert.Equal(120, requests());
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task PutAsync_StreamAskedToBeKept_IsSentAgainByteForByte(bool bySetting, bool byRequest)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.ReplayStreams = bySetting);
        var bytes = new byte[64 * 1024];
        new Random(7).NextBytes(bytes);
        var bodies = new List<byte[]>();
        await StartTwoAsync(env, async (context, number) =>
        {
            var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, Token);
            bodies.Add(body.ToArray());
            context.Response.StatusCode = number == 1 ? 503 : 200;
        });
        using var content = new StreamContent(new OnceStream(bytes));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://orders/") { Content = content };
        if (byRequest)
        {
            request.Options.Set(MeshRequestOptions.ReplayBody, true);
        }

        using var response = await env.Client().SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(2, bodies.Count);
        Assert.All(bodies, body => Assert.Equal(bytes, body));
        Assert.Same(content, request.Content);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true, false, 10_000)]
    [InlineData(true, true, 10_001)]
    [InlineData(false, true, 10)]
    public async Task PutAsync_StreamTooLongOrNotAsked_IsSentOnce(bool bySetting, bool unseekable, int length)
    {
        await using var env = new MeshTestEnvironment(options => (options.Defaults.Retry.ReplayStreams, options.Defaults.Retry.MaxReplayBytes) = (bySetting, 9_999));
        var requests = await StartTwoAsync(env, async (context, _) =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null, Token);
            context.Response.StatusCode = 503;
        });
        using var content = new StreamContent(unseekable ? new OnceStream(new byte[length]) : new MemoryStream(new byte[length]));
        using var response = await env.Client().PutAsync("http://orders/", content, Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(1, requests());
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(64 * 1024, false, 2)]
    [InlineData(64 * 1024, true, 2)]
    [InlineData((64 * 1024) + 1, false, 1)]
    [InlineData((64 * 1024) + 1, true, 1)]
    public async Task PutAsync_StreamAskedToBeKeptAndNoCapSet_IsKeptUpTo64KiB(int length, bool isLengthTold, int attempts)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.ReplayStreams = true);
        var lengths = new List<long>();
        await StartTwoAsync(env, async (context, number) =>
        {
            var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, Token);
            lengths.Add(body.Length);
            context.Response.StatusCode = number == 1 ? 503 : 200;
        });
        using var content = new StreamContent(new OnceStream(new byte[length]));
        content.Headers.ContentLength = isLengthTold ? length : null;
        using var response = await env.Client().PutAsync("http://orders/", content, Token);
        Assert.Equal(attempts == 1 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(Enumerable.Repeat((long)length, attempts), lengths);
    }

    private static Task<Func<int>> StartTwoAsync(MeshTestEnvironment env, Action<HttpContext, int> answer) =>
        StartTwoAsync(env, (context, number) =>
        {
            answer(context, number);
            return Task.CompletedTask;
        });

    // Two instances that act as one: the number is that of the request, whichever it came to.
    private static async Task<Func<int>> StartTwoAsync(MeshTestEnvironment env, Func<HttpContext, int, Task> answer)
    {
        var requests = 0;
        for (var i = 0; i < 2; i++)
        {
            await env.StartAsync("orders", context => answer(context, Interlocked.Increment(ref requests)));
        }

        return () => Volatile.Read(ref requests);
    }

    private static async Task<HttpResponseMessage> SendGrpcAsync(MeshTestEnvironment env, string method)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://orders/pkg.Service/{method}")
        {
            Version = HttpVersion.Version20,
            Content = new ByteArrayContent([0, 0, 0, 0, 0]),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        return await env.Client().SendAsync(request, Token);
    }
}
