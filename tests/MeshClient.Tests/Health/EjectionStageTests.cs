using System.Net;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Health;

public sealed class EjectionStageTests
{
    [Fact]
    public void Ended_StreamsThatBreakLongAfterTheirHeads_EjectFromNowOn()
    {
        var time = new FakeTimeProvider();
        var stage = new EjectionStage(time);
        var instance = TestInstances.Make(2, time)[0];
        using var request = new HttpRequestMessage();
        var call = new OutboundCall(request, new Destination(default, null!), time.GetTimestamp(), rejection: null, default);
        var attempts = Enumerable.Range(0, MeshDefaults.ConsecutiveFailures).Select(_ => new OutboundAttempt(call, 1)
        {
            Instance = instance,
            Admission = Admission.Ordinary,
            RespondedAt = time.GetTimestamp(),
            Response = new HttpResponseMessage(HttpStatusCode.OK),
        }).ToList();
        attempts.ForEach(attempt => attempt.JudgeHead(time));
        attempts.ForEach(stage.Responded);
        time.Advance(MeshDefaults.BaseEjection * 2);
        foreach (var attempt in attempts)
        {
            attempt.BodyFailure = new HttpIOException(HttpRequestError.ResponseEnded);
            attempt.JudgeEnd(time);
            stage.Ended(attempt);
        }

        Assert.True(instance.Ejection.IsEjected);
        time.Advance(MeshDefaults.BaseEjection - TimeSpan.FromTicks(1));
        Assert.False(instance.Ejection.IsIn(time.GetTimestamp()));
    }
}
