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

    private static HttpRequestMessage Put() =>
        new(HttpMethod.Put, "http://orders/") { Content = new StreamContent(new MemoryStream(new byte[10])) };

    private (AttemptTimeoutStage Stage, OutboundAttempt Attempt) Enter(HttpRequestMessage request)
    {
        var destination = new Destination(default, TestInstances.State(_time, new MeshRandom(1)));
        var call = new OutboundCall(request, destination, _time.GetTimestamp(), rejection: null, default);
        var attempt = new OutboundAttempt(call, 1) { StartedAt = _time.GetTimestamp() };
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
