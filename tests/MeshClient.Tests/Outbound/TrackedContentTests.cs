using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace MeshClient.Tests.Outbound;

/// <summary>An answer whose reading is limited by the ambient deadline.</summary>
public sealed class TrackedContentTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task Limit_SameReaderAgain_IsTheSameToken()
    {
        await using var env = new MeshTestEnvironment();
        using var timer = new AttemptTimer(TimeProvider.System);
        using var content = await MakeAsync(env, timer);
        using var reader = new CancellationTokenSource();
        var limited = content.Limit(reader.Token);

        Assert.Equal(limited, content.Limit(reader.Token));
        Assert.Equal(timer.Token, content.Limit(CancellationToken.None));
        Assert.Equal(limited, content.Limit(reader.Token));
        Assert.NotEqual(reader.Token, limited);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData("the deadline")]
    [InlineData("its reader")]
    [InlineData("the reader before")]
    public async Task Limit_AnotherReader_IsCancelledByItAndTheDeadlineAlone(string by)
    {
        await using var env = new MeshTestEnvironment();
        using var timer = new AttemptTimer(TimeProvider.System);
        using var content = await MakeAsync(env, timer);
        using var before = new CancellationTokenSource();
        using var reader = new CancellationTokenSource();
        content.Limit(before.Token);
        var limited = content.Limit(reader.Token);

        await (by switch { "the deadline" => timer, "its reader" => reader, _ => before }).CancelAsync();

        Assert.Equal(by != "the reader before", limited.IsCancellationRequested);
    }

    [Fact(Timeout = Eventually.TestLimit)]
    public async Task End_AfterALimitedRead_LetsGoOfTimerAndReader()
    {
        await using var env = new MeshTestEnvironment();
        using var timer = new AttemptTimer(TimeProvider.System);
        using var content = await MakeAsync(env, timer);
        using var reader = new CancellationTokenSource();
        var limited = content.Limit(reader.Token);

        content.End(null);
        await reader.CancelAsync();
        await timer.CancelAsync();

        Assert.False(limited.IsCancellationRequested);
    }

    [Theory(Timeout = Eventually.TestLimit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Fail_AppHadCancelledItsCall_IsLateOnlyIfTheDeadlineHasPassed(bool hasPassed)
    {
        await using var env = new MeshTestEnvironment();
        using var timer = new AttemptTimer(TimeProvider.System);
        using var app = new CancellationTokenSource();
        using var content = await MakeAsync(env, timer, call => call.AmbientDeadlineAt = hasPassed ? 1 : long.MaxValue - 1, app.Token);
        await app.CancelAsync();
        await timer.CancelAsync();
        var failure = new OperationCanceledException();

        var told = Record.Exception(() => content.Fail(failure, CancellationToken.None));

        if (hasPassed)
        {
            Assert.Equal(MeshFailureReason.DeadlineExceeded, Assert.IsType<MeshCallException>(told).Reason);
        }
        else
        {
            Assert.Null(told);
        }
    }

    private static Task<TrackedContent> MakeAsync(MeshTestEnvironment env, AttemptTimer timer) => MakeAsync(env, timer, _ => { }, Token);

    private static async Task<TrackedContent> MakeAsync(
        MeshTestEnvironment env, AttemptTimer timer, Action<OutboundCall> set, CancellationToken cancellation)
    {
        await env.StartAsync("orders", _ => Task.CompletedTask);
        await env.Client().GetStringAsync("http://orders/", Token);
        var service = env.State("orders");
        var destination = service.GetDestination(new DestinationName(service.Service, null, SchemePreference.Http));
        var call = new OutboundCall(new HttpRequestMessage(), destination, 1, rejection: null, cancellation);
        set(call);
        var attempt = new OutboundAttempt(call, 1) { Timer = timer, IsBodyLimited = true, Instance = destination.Callable[0] };
        return new TrackedContent(new ByteArrayContent([1]), env.Services.GetRequiredService<OutboundPipeline>(), attempt);
    }
}
