using System.Net;
using MeshClient.Discovery;
using MeshClient.Outbound;
using MeshClient.Resilience;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Resilience;

public sealed class AttemptTimeoutStageTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Responded_UploadTookItsTime_LatencyIsFromItsEndOn()
    {
        using var request = Put();
        var (stage, attempt) = Enter(request);
        _time.Advance(TimeSpan.FromSeconds(30));
        await request.Content!.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
        _time.Advance(TimeSpan.FromMilliseconds(20));
        Respond(stage, attempt);

        Assert.Equal(TimeSpan.FromMilliseconds(20), _time.GetElapsedTime(0, attempt.Latency!.Value));
        Assert.Equal(TimeSpan.FromMilliseconds(30_020), _time.GetElapsedTime(attempt.StartedAt, attempt.RespondedAt));
    }

    [Fact]
    public async Task Responded_BeforeTheUploadHasEnded_LatencyIsUnknown()
    {
        using var request = Put();
        var (stage, attempt) = Enter(request);
        var content = request.Content!;
        _time.Advance(TimeSpan.FromSeconds(3));
        Respond(stage, attempt);
        _time.Advance(TimeSpan.FromSeconds(3));
        await content.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);

        Assert.Null(attempt.Latency);
    }

    [Theory]
    [InlineData(10, 6, "its own limit")]
    [InlineData(3, 3, "the deadline")]
    [InlineData(10, 3, "the app")]
    public void Responded_CancelledTogetherWithTheAnswer_DeadlineHoldsForTheBody(int deadline, int seconds, string by)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        using var app = new CancellationTokenSource();
        var (stage, attempt) = Enter(request, TimeSpan.FromSeconds(deadline), app.Token);
        var spent = attempt.Timer!;
        _time.Advance(TimeSpan.FromSeconds(seconds));
        if (by == "the app")
        {
            app.Cancel();
        }

        Assert.True(spent.IsCancellationRequested);
        Assert.Equal(by == "the deadline", attempt.EndsWithCall);

        BeginResponse(stage, attempt);

        Assert.True(attempt.IsBodyLimited);
        Assert.NotSame(spent, attempt.Timer);
        Assert.False(attempt.Timer!.IsCancellationRequested);
        if (deadline > seconds)
        {
            _time.Advance(TimeSpan.FromSeconds(deadline - seconds) - TimeSpan.FromMilliseconds(1));
            Assert.False(attempt.Timer.IsCancellationRequested);
        }

        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(attempt.Timer.IsCancellationRequested);
        stage.Ended(attempt);
        Assert.Null(attempt.Timer);
    }

    [Fact]
    public void Responded_Superseded_BodyHasNoTimer()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        var (stage, attempt) = Enter(request, TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        var timer = attempt.Timer!;
        // As when its content, which is given the token, throws.
        timer.Token.Register(() => throw new InvalidOperationException("The app's own."));
        attempt.Call.IsHedged = true;
        attempt.Supersede();

        BeginResponse(stage, attempt);

        Assert.True(timer.IsCancellationRequested);
        Assert.Null(attempt.Timer);
        Assert.False(attempt.IsBodyLimited);
    }

    private static HttpRequestMessage Put() =>
        new(HttpMethod.Put, "http://orders/") { Content = new StreamContent(new MemoryStream(new byte[10])) };

    private (AttemptTimeoutStage Stage, OutboundAttempt Attempt) Enter(HttpRequestMessage request) => Enter(request, deadline: null, default);

    private (AttemptTimeoutStage Stage, OutboundAttempt Attempt) Enter(HttpRequestMessage request, TimeSpan? deadline, CancellationToken cancellation)
    {
        var destination = new Destination(default, TestInstances.State(_time, new MeshRandom(1)));
        var call = new OutboundCall(request, destination, _time.GetTimestamp(), rejection: null, cancellation);
        if (deadline is { } limit)
        {
            call.DeadlineAt = call.AmbientDeadlineAt = _time.GetTimestamp() + (long)(limit.TotalSeconds * _time.TimestampFrequency);
        }

        var attempt = new OutboundAttempt(call, 1) { StartedAt = _time.GetTimestamp(), Instance = TestInstances.Make(TestInstances.Describe(), _time) };
        var stage = new AttemptTimeoutStage(_time);
        stage.Enter(attempt);
        return (stage, attempt);
    }

    private void Respond(AttemptTimeoutStage stage, OutboundAttempt attempt)
    {
        BeginResponse(stage, attempt);
        stage.Ended(attempt);
    }

    private void BeginResponse(AttemptTimeoutStage stage, OutboundAttempt attempt)
    {
        attempt.RespondedAt = _time.GetTimestamp();
        attempt.Response = new HttpResponseMessage(HttpStatusCode.OK);
        stage.Responded(attempt);
    }
}
