using System.Net;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Balancing;

public sealed class LoadStageTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly MeshRandom _random = new(3);
    private readonly InstanceState[] _instances;
    private readonly LoadStage _stage;

    public LoadStageTests()
    {
        _stage = new LoadStage(_time);
        _instances = TestInstances.Make(4, _time);
        SimulatedCalls.SettleAt(_instances, milliseconds: 1, _time);
        SimulatedCalls.Fail(_instances[0], _time);
    }

    [Fact]
    public void Responded_ProbeIsAnswered_GetsItsShareAtOnce()
    {
        TestInstances.Eject(_instances[0], _time.GetTimestamp());
        _time.Advance(MeshDefaults.BaseEjection * 2);
        Assert.Equal(Admission.Probe, _instances[0].Ejection.TryEnter(_time.GetTimestamp()));
        Respond(Admission.Probe, new HttpResponseMessage(HttpStatusCode.OK));
        Assert.InRange(SimulatedCalls.Run(_instances, 1000, milliseconds: 1, _time, _random)[0], 150, 350);
    }

    [Theory]
    [InlineData(HttpStatusCode.OK)]
    [InlineData(HttpStatusCode.TooManyRequests)]
    [InlineData(HttpStatusCode.InternalServerError)]
    [InlineData(null)]
    public void Responded_AnythingElse_KeepsWhatFailuresCountedAs(HttpStatusCode? status)
    {
        Respond(
            status == HttpStatusCode.OK ? Admission.Ordinary : Admission.Probe,
            status is { } code ? new HttpResponseMessage(code) : null);
        Assert.Equal(0, SimulatedCalls.Run(_instances, 1000, milliseconds: 1, _time, _random)[0]);
    }

    [Fact]
    public void Responded_OneFailure_KeepsCallsAwayNoLongerThanAnEjectionWould()
    {
        Respond(Admission.Ordinary, new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
        Assert.Equal(0, SimulatedCalls.Run(_instances, 29_000, milliseconds: 1, _time, _random)[0]);
        Assert.InRange(SimulatedCalls.Run(_instances, 5000, milliseconds: 1, _time, _random)[0], 600, 1500);
    }

    [Fact]
    public void Responded_AsksToBeLeftAloneForLonger_IsLeftAloneForThatLong()
    {
        var response = new HttpResponseMessage(HttpStatusCode.TooManyRequests);
        response.Headers.RetryAfter = new(TimeSpan.FromSeconds(60));
        Respond(Admission.Ordinary, response);
        Assert.Equal(0, SimulatedCalls.Run(_instances, 59_000, milliseconds: 1, _time, _random)[0]);
        Assert.InRange(SimulatedCalls.Run(_instances, 5000, milliseconds: 1, _time, _random)[0], 600, 1500);
    }

    [Fact]
    public void Responded_FailsAgainOnItsReturn_IsLeftAloneAgain()
    {
        Respond(Admission.Ordinary, new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
        SimulatedCalls.Run(_instances, 31_000, milliseconds: 1, _time, _random);
        Respond(Admission.Ordinary, new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
        Assert.Equal(0, SimulatedCalls.Run(_instances, 29_000, milliseconds: 1, _time, _random)[0]);
    }

    [Fact]
    public void Responded_UploadTookItsTime_CountsFromItsEndOn()
    {
        _instances[0].Load.Forget();
        Respond(Admission.Ordinary, new HttpResponseMessage(HttpStatusCode.OK), sentAfter: TimeSpan.FromMilliseconds(79));
        Assert.Equal(
            1, _time.GetElapsedTime(0, (long)_instances[0].Load.Average(_time.GetTimestamp())).TotalMilliseconds, 1);
    }

    private void Respond(Admission admission, HttpResponseMessage? response, TimeSpan? sentAfter = null)
    {
        var destination = new Destination(default, TestInstances.State(_time, _random));
        destination.Replace(_instances, new TwoChoicesPicker<LatencyCost>(_instances), [], needsIdentity: false, default);
        using var request = new HttpRequestMessage();
        var startedAt = _time.GetTimestamp();
        // As slow as a probe is that has to connect first.
        _time.Advance(TimeSpan.FromMilliseconds(80));
        var attempt = new OutboundAttempt(new OutboundCall(request, destination, startedAt, rejection: null, default), 1)
        {
            Instance = _instances[0],
            Admission = admission,
            StartedAt = startedAt,
            RespondedAt = _time.GetTimestamp(),
            Response = response,
            Failure = response is null ? new HttpRequestException() : null,
        };
        if (sentAfter is { } after)
        {
            attempt.SentAt = startedAt + (long)(after.TotalSeconds * _time.TimestampFrequency);
        }

        attempt.JudgeHead(_time);
        _stage.Responded(attempt);
        new EjectionStage(_time).Responded(attempt);
        response?.Dispose();
    }
}
