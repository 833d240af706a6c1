using System.Globalization;
using System.Net.Http.Headers;
using MeshClient.Core.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

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
    public async Task SendAsync_RetriesAndHedges_EachToldWhatIsLeftThen()
    {
        await using var env = new MeshTestEnvironment(options =>
        {
            options.Defaults.Retry.BaseDelay = options.Defaults.Retry.MaxDelay = TimeSpan.FromMilliseconds(60);
            options.Defaults.MaxRetries = 3;
        });
        var told = new List<int>();
        for (var i = 0; i < 4; i++)
        {
            await env.StartAsync("orders", async context =>
            {
                told.Add(int.Parse(context.Request.Headers["mesh-timeout-ms"]!, CultureInfo.InvariantCulture));
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Token);
                context.Response.StatusCode = 503;
            });
        }

        using var deadline = MeshDeadline.Begin(TimeSpan.FromSeconds(10));
        using var response = await env.Client().GetAsync("http://orders/", Token);
        Assert.Equal(4, told.Count);
        Assert.All(told.Zip(told.Skip(1)), pair => Assert.InRange(pair.First - pair.Second, 19, 5000));
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
        await using var env = new MeshTestEnvironment();
        await env.StartAsync("orders", context => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
        using (MeshDeadline.Begin(TimeSpan.FromMilliseconds(400)))
        {
            var failure = await Assert.ThrowsAsync<MeshCallException>(() => env.Client().GetAsync("http://orders/", Token));
            Assert.Equal((MeshFailureReason.DeadlineExceeded, "Deadline", 1), (failure.Reason, failure.Stage, failure.Attempts));
        }

        using var caller = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        using var far = MeshDeadline.Begin(TimeSpan.FromSeconds(60));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => env.Client().GetAsync("http://orders/", caller.Token));
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
}
