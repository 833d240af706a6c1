using System.Net;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Overload;

/// <summary>Answers that say "overloaded, and the others are too".</summary>
public sealed class ShedMarkerTests
{
    private static CancellationToken Token => MeshTestEnvironment.Token;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_InstanceOfTheMeshShedsIt_IsNotTriedElsewhere()
    {
        await using var env = new MeshTestEnvironment();
        var peers = new[] { await env.StartAsync("orders", ShedAsync), await env.StartAsync("orders", ShedAsync) };
        for (var i = 1; i <= 10; i++)
        {
            using var answer = await env.Client().GetAsync("http://orders/", Token);

            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal(i, peers.Sum(peer => peer.Requests));
        }
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task GetAsync_429IsOneToRepeat_NotWithTheMarker(bool sheds)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.Retry.Statuses = [429]);
        Task Answer(HttpContext context)
        {
            context.Response.StatusCode = 429;
            if (sheds)
            {
                context.Response.Headers[ShedMarker.HeaderName] = "rate";
            }

            return Task.CompletedTask;
        }

        var peers = new[] { await env.StartAsync("orders", Answer), await env.StartAsync("orders", Answer) };
        using var answer = await env.Client().GetAsync("http://orders/", Token);

        Assert.Equal(sheds ? 1 : 3, peers.Sum(peer => peer.Requests));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_FirstFailsAndSecondSheds_ThereIsNoThird()
    {
        await using var env = new MeshTestEnvironment();
        var sheds = false;
        Task Answer(HttpContext context)
        {
            var shed = Interlocked.Exchange(ref sheds, true);
            return shed ? ShedAsync(context) : BusyAsync(context);
        }

        var peers = new[] { await env.StartAsync("orders", Answer), await env.StartAsync("orders", Answer) };
        using var answer = await env.Client().GetAsync("http://orders/", Token);

        Assert.True(answer.Headers.Contains(ShedMarker.HeaderName));
        Assert.Equal(2, peers.Sum(peer => peer.Requests));
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_SameAnswerWithoutTheMarker_IsTriedElsewhere()
    {
        await using var env = new MeshTestEnvironment();
        var peers = new[] { await env.StartAsync("orders", BusyAsync), await env.StartAsync("orders", BusyAsync) };
        using var answer = await env.Client().GetAsync("http://orders/", Token);

        Assert.True(peers.Sum(peer => peer.Requests) > 1);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task GetAsync_MarkerFromOutsideTheMesh_IsNotBelieved()
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.AllowPlaintext = true);
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 2; i++)
        {
            var peer = env.Own(await HttpPeer.StartAsync(ShedAsync));
            peers.Add(peer);
            env.List("orders", peer.Port, InstanceSecurity.Plaintext);
        }

        using var answer = await env.Client().GetAsync("http://orders/", Token);

        Assert.True(peers.Sum(peer => peer.Requests) > 1);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true, "14", 1)]
    [InlineData(false, "14", 2)]
    [InlineData(true, "8", 1)]
    public async Task SendAsync_GrpcAnswerWithoutBody_IsTriedElsewhereOnlyWithoutTheMarker(bool sheds, string status, int attempts)
    {
        await using var env = new MeshTestEnvironment();
        Task Answer(HttpContext context)
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = status;
            if (sheds)
            {
                context.Response.Headers[ShedMarker.HeaderName] = "concurrency";
            }

            return Task.CompletedTask;
        }

        var peers = new[] { await env.StartAsync("orders", Answer), await env.StartAsync("orders", Answer) };
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Content = new ByteArrayContent([]), Version = HttpVersion.Version20 };
        request.Content.Headers.ContentType = new("application/grpc");
        request.Options.Set(MeshRequestOptions.Idempotent, true);
        using var answer = await env.Client().SendAsync(request, Token);

        Assert.InRange(peers.Sum(peer => peer.Requests), attempts, attempts == 1 ? 1 : 3);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task GetAsync_InstanceRefusesAgainAndAgain_IsEjectedOnlyWhenItDoesNotSayThatItSheds(bool sheds)
    {
        await using var env = new MeshTestEnvironment(options => options.Defaults.MaxRetries = 0);
        var refusing = await env.StartAsync("orders", sheds ? ShedAsync : BusyAsync);
        // Of two instances one may be ejected.
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        using (await env.Client().GetAsync("http://orders/", Token))
        {
        }

        var instance = env.Instance("orders", refusing.Port);
        for (var i = 0; i < 200 && refusing.Requests < MeshDefaults.ConsecutiveFailures; i++)
        {
            // So that it is picked although it counts as slow.
            instance.Load.Forget();
            using var answer = await env.Client().GetAsync("http://orders/", Token);
        }

        Assert.Equal(MeshDefaults.ConsecutiveFailures, refusing.Requests);
        Assert.Equal(!sheds, instance.Ejection.IsEjected);
        // But it counts as slow, so that others are picked meanwhile.
        Assert.True(instance.Load.Average(TimeProvider.System.GetTimestamp()) > MeshDefaults.FailureLatency.TotalSeconds / 2 * TimeProvider.System.TimestampFrequency);
    }

    private static Task ShedAsync(HttpContext context)
    {
        context.Response.Headers[ShedMarker.HeaderName] = "concurrency";
        return BusyAsync(context);
    }

    private static Task BusyAsync(HttpContext context)
    {
        context.Response.StatusCode = 503;
        return Task.CompletedTask;
    }
}
