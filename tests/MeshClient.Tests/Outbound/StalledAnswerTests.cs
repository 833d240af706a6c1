using System.Net;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>Instances that send the head of an answer and nothing after it, until the deadline ends the reading.</summary>
public sealed class StalledAnswerTests
{
    private static readonly TimeSpan Deadline = MeshDefaults.AttemptTimeout * 2;

    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Token => MeshTestEnvironment.Token;

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(1, "read")]
    [InlineData(2, "read")]
    [InlineData(1, "read with a token")]
    [InlineData(2, "read with a token that goes with the deadline")]
    [InlineData(1, "copied")]
    [InlineData(2, "copied")]
    public async Task Read_InstanceHangsAfterEachHead_IsEjectedAndCountsAsSlow(int version, string how)
    {
        await using var env = Environment();
        var (sick, good) = await StartAsync(env);
        for (var i = 0; i < MeshDefaults.ConsecutiveFailures; i++)
        {
            Assert.False(sick.Ejection.IsEjected);
            using var deadline = MeshDeadline.Begin(Deadline, _time);
            using var answer = await GetAsync(env, sick, good, version);
            using var reader = how.EndsWith("the deadline", StringComparison.Ordinal) ? new CancellationTokenSource(Deadline, _time) : new CancellationTokenSource();
            var reading = how == "copied"
                ? answer.Content.CopyToAsync(new MemoryStream(), Token)
                : (await answer.Content.ReadAsStreamAsync(Token)).ReadAsync(new byte[1], how == "read" ? default : reader.Token).AsTask();
            _time.Advance(Deadline);
            await Assert.ThrowsAnyAsync<Exception>(() => reading.BoundedAsync());
            await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0);
        }

        Assert.Equal(EjectionReason.ConsecutiveFailures, sick.Ejection.Reason);
        Assert.True(sick.Load.IsPenalised);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("application/json", true)]
    [InlineData("application/octet-stream", true)]
    [InlineData("text/event-stream", false)]
    [InlineData("Text/Event-Stream; charset=utf-8", false)]
    [InlineData("application/grpc", false)]
    [InlineData("application/grpc-web+proto", false)]
    [InlineData("application/x-ndjson", false)]
    [InlineData("application/json;stream=watch", false)]
    [InlineData("multipart/x-mixed-replace; boundary=x", false)]
    public async Task Read_QuietUntilTheDeadline_IsHeldAgainstTheInstanceWhereItIsNoStream(string contentType, bool isFailure)
    {
        await using var env = Environment();
        var (sick, good) = await StartAsync(env, contentType);
        using var deadline = MeshDeadline.Begin(Deadline, _time);
        using var answer = await GetAsync(env, sick, good, 2);
        using var stream = await answer.Content.ReadAsStreamAsync(Token);

        var reading = stream.ReadAsync(new byte[1], Token).AsTask();
        _time.Advance(Deadline);

        await Assert.ThrowsAsync<MeshCallException>(() => reading.BoundedAsync());
        Assert.Equal(isFailure, sick.IsSuspect);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("a byte has come")]
    [InlineData("the reader began late")]
    [InlineData("the reader waited for less than an attempt may take")]
    [InlineData("the reader gave up")]
    [InlineData("the reader began when it was over")]
    [InlineData("the reader saw that something had come and did not take it")]
    [InlineData("attempts have no limit")]
    public async Task Read_NotTheInstancesDoing_IsNotHeldAgainstIt(string why)
    {
        await using var env = Environment(why == "attempts have no limit" ? TimeSpan.Zero : null);
        var (sick, good) = await StartAsync(env, hasByte: why.Contains("come", StringComparison.Ordinal));
        using var deadline = MeshDeadline.Begin(Deadline, _time);
        using var answer = await GetAsync(env, sick, good, 2);
        using var stream = await answer.Content.ReadAsStreamAsync(Token);
        using var reader = new CancellationTokenSource();
        var (before, after) = why switch
        {
            "the reader began late" => (TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(4)),
            "the reader waited for less than an attempt may take" => (TimeSpan.FromSeconds(5.1), TimeSpan.FromSeconds(4.9)),
            "the reader began when it was over" => (Deadline, TimeSpan.Zero),
            "the reader gave up" => (TimeSpan.Zero, TimeSpan.FromSeconds(9.9)),
            _ => (TimeSpan.Zero, Deadline),
        };
        if (why == "a byte has come")
        {
            await stream.ReadExactlyAsync(new byte[1], Token);
        }

        if (why == "the reader saw that something had come and did not take it")
        {
            Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty, Token));
            before = Deadline;
            after = TimeSpan.Zero;
        }

        _time.Advance(before);
        var reading = stream.ReadAsync(new byte[2], reader.Token).AsTask();
        _time.Advance(after);
        if (why == "the reader gave up")
        {
            await reader.CancelAsync();
        }

        try
        {
            await reading.BoundedAsync();
        }
        catch (Exception e) when (e is MeshCallException or OperationCanceledException)
        {
            // What it is told, others show.
        }

        answer.Dispose();
        await Eventually.HoldsAsync(() => env.State("orders").InFlight == 0);
        Assert.False(sick.IsSuspect);
    }

    private MeshTestEnvironment Environment(TimeSpan? attemptTimeout = null) => new(
        options => options.Defaults.AttemptTimeout = attemptTimeout, services: services => services.AddSingleton<TimeProvider>(_time));

    // The only one is never ejected.
    private static async Task<(InstanceState Sick, InstanceState Good)> StartAsync(
        MeshTestEnvironment env, string? contentType = null, bool hasByte = false)
    {
        var sick = await env.StartAsync("orders", async context =>
        {
            context.Response.ContentType = contentType;
            await context.Response.StartAsync();
            if (hasByte)
            {
                await context.Response.Body.WriteAsync(new byte[1]);
            }

            await context.Response.Body.FlushAsync();
            if (context.Request.Path == "/stalls")
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            }
        });
        var good = await env.StartAsync("orders", _ => Task.CompletedTask);
        await env.Client().GetStringAsync("http://orders/", Token);
        return (env.Instance("orders", sick.Port), env.Instance("orders", good.Port));
    }

    private async Task<HttpResponseMessage> GetAsync(MeshTestEnvironment env, InstanceState sick, InstanceState good, int version)
    {
        // So that the sick one is chosen, in spite of what its failures count as.
        sick.Load.Forget();
        good.Load.Observe(1000.0 * _time.TimestampFrequency, _time.GetTimestamp());
        sick.Load.Observe(1, _time.GetTimestamp());
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/stalls")
        {
            Version = version == 1 ? HttpVersion.Version11 : HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        return await env.Client().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
    }
}
