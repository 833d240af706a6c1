using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Health;

/// <summary>How an instance that was left out gets the one call that brings it back, over real connections.</summary>
public sealed class ReadmissionTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static long Now => TimeProvider.System.GetTimestamp();

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Send_TimeIsOver_NextRepeatableCallIsTheProbeHoweverSlowItsFailuresCount(bool unreachable)
    {
        await using var env = Environment();
        var (peer, instance) = await StartAsync(env);
        if (unreachable)
        {
            instance.Ejection.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        }
        else
        {
            instance.Ejection.Fail(5, Now);
        }

        Assert.True(instance.Ejection.IsOut);
        await Eventually.HoldsAsync(() => instance.Ejection.IsDue(Now));
        var before = peer.Requests;
        Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
        Assert.Equal(before + 1, peer.Requests);
        Assert.False(instance.Ejection.IsOut);
        Assert.Single(env.Logs.Lines, line => line.Category.EndsWith(nameof(HealthTelemetry), StringComparison.Ordinal) && line.Event.Id == 30);
        Assert.Single(env.Logs.Lines, line => line.Category.EndsWith(nameof(HealthTelemetry), StringComparison.Ordinal) && line.Event.Id == 32);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Send_OnlyCallsThatMustNotRunTwice_OneIsTheProbeAfterAMoment()
    {
        await using var env = Environment();
        var (peer, instance) = await StartAsync(env);
        instance.Ejection.Fail(5, Now);
        await Eventually.HoldsAsync(() => instance.Ejection.IsDue(Now));
        var dueAt = instance.Ejection.DueAt;
        var before = peer.Requests;
        while (peer.Requests == before)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(dueAt, Now) < TimeSpan.FromSeconds(10));
            using var response = await env.Client().PostAsync("http://orders/", new StringContent("x"), Token);
        }

        Assert.InRange(TimeProvider.System.GetElapsedTime(dueAt, Now).TotalSeconds, 1, 10);
        Assert.False(instance.Ejection.IsOut);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Send_ProbeFails_CallIsMadeElsewhereAndOnlyThatOneSufferedIt()
    {
        await using var env = Environment();
        var broken = false;
        var (peer, instance) = await StartAsync(env, context => context.Response.StatusCode = Volatile.Read(ref broken) ? 503 : 200);
        Volatile.Write(ref broken, true);
        instance.Ejection.Fail(5, Now);
        await Eventually.HoldsAsync(() => instance.Ejection.IsDue(Now));
        var before = peer.Requests;
        for (var i = 0; i < 20 && peer.Requests == before; i++)
        {
            Assert.Equal("x", await env.Client().GetStringAsync("http://orders/", Token));
        }

        Assert.Equal(before + 1, peer.Requests);
        Assert.Equal(EjectionReason.ProbeFailed, instance.Ejection.Reason);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Send_ProbesAreStreamsThatNeverEnd_InstanceComesBackAllTheSame()
    {
        await using var env = Environment();
        var over = new TaskCompletionSource();
        var peers = new List<HttpPeer>();
        for (var i = 0; i < 2; i++)
        {
            peers.Add(await env.StartAsync("orders", async context =>
            {
                context.Response.ContentType = "application/grpc";
                await context.Response.Body.WriteAsync(new byte[5], context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await over.Task;
            }));
        }

        var streams = new List<HttpResponseMessage> { await GrpcAnswer.AskAsync(env, idempotent: true) };
        var instances = peers.ConvertAll(peer => env.Instance("orders", peer.Port));
        instances[0].Ejection.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        await Eventually.HoldsAsync(() => instances[0].Ejection.IsDue(Now));
        streams.Add(await GrpcAnswer.AskAsync(env, idempotent: true));
        Assert.False(instances[0].Ejection.IsOut);

        instances[1].Ejection.Fail(5, Now);
        await Eventually.HoldsAsync(() => instances[1].Ejection.IsDue(Now));
        streams.Add(await GrpcAnswer.AskAsync(env, idempotent: true));
        Assert.True(instances[1].Ejection.IsOut);
        await Eventually.HoldsAsync(() => instances[1].Ejection.IsDue(Now));
        var requests = peers.Sum(peer => peer.Requests);
        streams.Add(await GrpcAnswer.AskAsync(env, idempotent: true));
        Assert.Equal(requests + 1, peers.Sum(peer => peer.Requests));
        Assert.False(instances[1].Ejection.IsOut);
        over.SetResult();
        streams.ForEach(stream => stream.Dispose());
    }

    private static MeshTestEnvironment Environment() => new(options =>
    {
        options.Defaults.Health.BaseEjection = TimeSpan.FromMilliseconds(300);
        options.Defaults.Health.ConnectBackoff = TimeSpan.FromMilliseconds(300);
    });

    // Two, both called, one of which counts as slow.
    private static async Task<(HttpPeer Peer, InstanceState Instance)> StartAsync(MeshTestEnvironment env, Action<HttpContext>? before = null)
    {
        var peer = await env.StartAsync("orders", context =>
        {
            before?.Invoke(context);
            return context.Response.WriteAsync("x");
        });
        await env.StartAsync("orders", context => context.Response.WriteAsync("x"));
        await env.Client().GetStringAsync("http://orders/", Token);
        var instance = env.Instance("orders", peer.Port);
        SimulatedCalls.Fail(instance, TimeProvider.System);
        return (peer, instance);
    }
}
