using System.Net;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Outbound;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Health;

/// <summary>An instance that was out and is in again begins slowly, whatever brought it back.</summary>
public sealed class WaysBackTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly ServiceState _service;
    private readonly InstanceState _instance;

    public WaysBackTests()
    {
        var options = new MeshOptions();
        options.Defaults.Balancing.SlowStart = TimeSpan.FromSeconds(100);
        _service = TestInstances.State(_time, new MeshRandom(1), options);
        _instance = TestInstances.Make(TestInstances.Describe(), _time, _service.Health);
        _service.Health.Join(9);
    }

    private EjectionState Ejection => _instance.Ejection;

    private long Now => _time.GetTimestamp();

    [Theory]
    [InlineData("a probe that succeeds", false)]
    [InlineData("a probe that never ends", false)]
    [InlineData("a probe that gets through and never ends", false)]
    [InlineData("a probe that gets through and fails", true)]
    [InlineData("a call in panic that gets through", false)]
    [InlineData("a check that passes", false)]
    [InlineData("the end of all checks", false)]
    public void WayBack_Any_BeginsSlowlyAndKnowsOnlyOfAFailure(string by, bool isPenalised)
    {
        _instance.Load.Penalise(_time.TimestampFrequency, Now, Now + (1000 * _time.TimestampFrequency));
        switch (by)
        {
            case "a probe that succeeds":
                Eject();
                Respond(Probe(), HttpStatusCode.OK);
                break;
            case "a probe that never ends":
                Eject();
                Respond(Probe(), HttpStatusCode.OK, isGrpc: true);
                Assert.True(_instance.IsOut);
                _time.Advance(MeshDefaults.BaseEjection);
                Assert.Equal(Admission.Ordinary, Ejection.TryEnter(Now));
                break;
            case "a probe that gets through and never ends":
                LoseConnection();
                Respond(Probe(), HttpStatusCode.OK, isGrpc: true);
                break;
            case "a probe that gets through and fails":
                LoseConnection();
                Respond(Probe(), HttpStatusCode.InternalServerError);
                break;
            case "a call in panic that gets through":
                LoseConnection();
                Respond(Admission.Panic, HttpStatusCode.OK);
                break;
            case "a check that passes":
                Ejection.Checked(isHealthy: false, Now);
                Ejection.Checked(isHealthy: true, Now);
                break;
            default:
                Ejection.Checked(isHealthy: false, Now);
                Ejection.ForgetChecks(Now);
                break;
        }

        Assert.False(_instance.IsOut);
        Assert.Equal((Now, false), (_instance.WarmingSince, _service.Balancer.SlowStart!.IsOver(Now)));
        Assert.Equal((isPenalised, isPenalised), (_instance.Load.IsPenalised, _instance.Load.Average(Now) > 0));
    }

    [Theory]
    [InlineData("an answer when it is in already")]
    [InlineData("a probe that fails")]
    [InlineData("a check that passes though calls fail")]
    [InlineData("a call in panic")]
    public void WayBack_None_BeginsNothing(string by)
    {
        Eject();
        switch (by)
        {
            case "an answer when it is in already":
                var admission = Probe();
                var sentAt = Now;
                Ejection.Succeeded(admission, sentAt, Now);
                _time.Advance(TimeSpan.FromSeconds(1));
                var since = _instance.WarmingSince;
                Respond(admission, HttpStatusCode.OK, sentAt: sentAt);
                Assert.Equal((since, true), (_instance.WarmingSince, _instance.Load.Average(Now) > 0));
                return;
            case "a probe that fails":
                Respond(Probe(), HttpStatusCode.InternalServerError);
                break;
            case "a check that passes though calls fail":
                Ejection.Checked(isHealthy: false, Now);
                Ejection.Checked(isHealthy: true, Now);
                break;
            default:
                Respond(Admission.Panic, HttpStatusCode.OK);
                break;
        }

        Assert.Equal((true, true), (_instance.IsOut, _service.Balancer.SlowStart!.IsOver(Now)));
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private void Eject()
    {
        TestInstances.Eject(_instance, Now);
        Assert.True(_instance.IsOut);
    }

    private void LoseConnection() => Ejection.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);

    private Admission Probe()
    {
        _time.Advance(MeshDefaults.BaseEjection * 2);
        var admission = Ejection.TryEnter(Now);
        Assert.Equal(Admission.Probe, admission);
        return admission;
    }

    // Told in the order of the pipeline: what stands innermost hears of it first.
    private void Respond(Admission admission, HttpStatusCode status, bool isGrpc = false, long? sentAt = null)
    {
        var request = new HttpRequestMessage(isGrpc ? HttpMethod.Post : HttpMethod.Get, "http://orders/")
        {
            Content = isGrpc ? new ByteArrayContent([]) : null,
        };
        var response = new HttpResponseMessage(status) { Content = new ByteArrayContent([]) };
        response.Content.Headers.Add("Content-Type", isGrpc ? "application/grpc" : "text/plain");
        var attempt = new OutboundAttempt(new OutboundCall(request, new Destination(default, _service), Now, rejection: null, default), 1)
        {
            Instance = _instance,
            Admission = admission,
            StartedAt = sentAt ?? Now,
            Response = response,
        };
        if (sentAt is null)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
        }

        attempt.RespondedAt = Now;
        attempt.JudgeHead(_time);
        new LoadStage(_time).Responded(attempt);
        new EjectionStage(_time).Responded(attempt);
    }
}
