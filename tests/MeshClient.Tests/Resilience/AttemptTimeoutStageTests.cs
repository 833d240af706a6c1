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
    [InlineData(3, "its own moment")]
    [InlineData(3, "the app")]
    [InlineData(10, "the deadline")]
    public void Responded_CancelledTogetherWithTheAnswer_DeadlineHoldsForTheBody(int seconds, string by)
    {
        var deadline = TimeSpan.FromSeconds(10);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
        using var app = new CancellationTokenSource();
        var (stage, attempt) = Enter(request, deadline, app.Token);
        var timer = attempt.Timer!;
        _time.Advance(TimeSpan.FromSeconds(seconds));
        (by switch { "its own moment" => timer, "the app" => app, _ => null })?.Cancel();
        Assert.True(timer.IsCancellationRequested);

        attempt.RespondedAt = _time.GetTimestamp();
        attempt.Response = new HttpResponseMessage(HttpStatusCode.OK);
        stage.Responded(attempt);

        Assert.True(attempt.IsBodyLimited);
        Assert.False(attempt.Timer!.IsCancellationRequested);
        if (deadline.TotalSeconds > seconds)
        {
            _time.Advance(deadline - TimeSpan.FromSeconds(seconds + 1));
            Assert.False(attempt.Timer!.IsCancellationRequested);
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(attempt.Timer!.IsCancellationRequested);
        stage.Ended(attempt);
        Assert.Null(attempt.Timer);
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
        attempt.RespondedAt = _time.GetTimestamp();
        attempt.Response = new HttpResponseMessage(HttpStatusCode.OK);
        stage.Responded(attempt);
        stage.Ended(attempt);
    }
}
