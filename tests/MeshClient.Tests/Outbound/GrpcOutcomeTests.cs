using System.Globalization;
using System.Net;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Tests.Outbound;

/// <summary>gRPC answers over real connections: what counts is the status they end with.</summary>
public sealed class GrpcOutcomeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("13", true)]
    [InlineData("5", false)]
    public async Task Send_StatusInTrailers_CountsForTheInstance(string status, bool ejects)
    {
        using var meters = new MetricRecorder();
        await using var env = new MeshTestEnvironment(services: meters.Attach);
        var bad = await env.StartAsync("orders", context => GrpcAnswer.InTrailersAsync(context, int.Parse(status, CultureInfo.InvariantCulture)));
        await env.StartAsync("orders", context => GrpcAnswer.InTrailersAsync(context, 0));
        for (var i = 0; i < 30; i++)
        {
            using var response = await GrpcAnswer.AskAsync(env);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            await response.Content.ReadAsByteArrayAsync(Token);
            // So that the one that fails is picked for all that.
            env.Instance("orders", bad.Port).Load.Forget();
        }

        Assert.Equal(ejects, env.Instance("orders", bad.Port).Ejection.IsEjected);
        var told = meters.Of("meshclient.call.duration").Where(one => one.Tag("rpc.grpc.status_code") is int code && code.ToString() == status).ToList();
        Assert.NotEmpty(told);
        Assert.All(told, one => Assert.Equal(
            (ejects ? "failure" : "success", ejects ? "INTERNAL" : "NOT_FOUND", 200),
            (one.Tag("meshclient.outcome"), one.Tag("error.type"), one.Tag("http.response.status_code"))));
        Assert.Equal(30, meters.Of("meshclient.call.duration").Count);
        Assert.Equal(30, meters.Of("meshclient.attempt.duration").Count);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Send_UnavailableWithoutBody_CountsAsSlowAsItAsksToBeLeftAlone()
    {
        await using var env = new MeshTestEnvironment();
        var bad = await env.StartAsync("orders", context =>
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = "14";
            context.Response.Headers["grpc-retry-pushback-ms"] = "20000";
            return Task.CompletedTask;
        });
        await env.StartAsync("orders", context => GrpcAnswer.InTrailersAsync(context, 0));
        var (seen, refused) = (0, 0);
        for (var i = 0; i < 20; i++)
        {
            using var response = await GrpcAnswer.AskAsync(env, idempotent: true);
            await response.Content.ReadAsByteArrayAsync(Token);
            // It asks for a pause that is longer than the call's time, so the first call that comes to it is not repeated.
            refused += response.Headers.Contains("grpc-status") ? 1 : 0;
            seen = Math.Max(seen, (int)(env.Instance("orders", bad.Port).Load.Average(TimeProvider.System.GetTimestamp()) / TimeProvider.System.TimestampFrequency));
        }

        Assert.InRange(seen, 15, 20);
        Assert.Equal(1, refused);
    }
}
