using MeshClient.Configuration;
using MeshClient.Discovery;
using MeshClient.Health;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Health;

public sealed class EjectionStateTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly ServiceHealth _health;
    private readonly EjectionState _state;
    private readonly EjectionState[] _peers;

    public EjectionStateTests()
    {
        _health = TestHealth.Make(_time);
        _state = new EjectionState(_health, "orders-1", new InstanceVitals(1));
        _peers = _health.Join(9);
    }

    private long Now => _time.GetTimestamp();

    [Fact]
    public void Failed_FourInARow_StaysIn()
    {
        _state.Fail(4, Now);
        Assert.False(_state.IsEjected);
        Assert.Equal(Admission.Ordinary, _state.TryEnter(Now));
    }

    [Fact]
    public void Failed_FiveInARow_Ejects()
    {
        _state.Fail(5, Now);
        Assert.Equal((true, EjectionReason.ConsecutiveFailures), (_state.IsEjected, _state.Reason));
        Assert.False(_state.IsIn(Now));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        Assert.Equal(1, _health.Ejected);
    }

    [Fact]
    public void Failed_SuccessBetween_CountsAnew()
    {
        _state.Fail(4, Now);
        _state.Succeed(1, Now);
        _state.Fail(4, Now);
        Assert.False(_state.IsEjected);
    }

    [Fact]
    public void Failed_NoPlaceAmongTheEjected_StaysInUntilOneIsFree()
    {
        _peers[0].Fail(5, Now);
        _state.Fail(50, Now);
        Assert.False(_state.IsEjected);
        _peers[0].SetListed(false);
        _state.Fail(1, Now);
        Assert.True(_state.IsEjected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Failed_EveryThirdCallForLong_EjectsByTheRateIfSomebodyDoesBetter(int failingPeers)
    {
        foreach (var peer in _peers[failingPeers..])
        {
            peer.Succeed(100, Now);
        }

        for (var i = 0; i < 60 && !_state.IsEjected; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(0.5));
            _state.Succeed(2, Now);
            _state.Fail(1, Now);
        }

        Assert.Equal(EjectionReason.SuccessRate, _state.Reason);
    }

    [Fact]
    public void Failed_EveryThirdCallOfEverybody_EjectsNobody()
    {
        EjectionState[] all = [_state, .. _peers];
        for (var i = 0; i < 120; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(0.5));
            foreach (var one in all)
            {
                one.Succeed(2, Now);
                one.Fail(1, Now);
            }

            // Until the peers have had enough calls to be compared with, the first may be thought alone in its misery.
            if (i == 20)
            {
                Assert.InRange(_health.Ejected, 0, 1);
            }
        }

        Assert.Equal(0, _health.Ejected);
    }

    [Fact]
    public void Failed_FewCalls_RateIsNotBelieved()
    {
        for (var i = 0; i < 6; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(2));
            _state.Succeed(2, Now);
            _state.Fail(1, Now);
        }

        Assert.False(_state.IsEjected);
    }

    [Fact]
    public void TryEnter_EjectionOver_LetsExactlyOneProbeThrough()
    {
        _state.Fail(5, Now);
        _time.Advance(MeshDefaults.BaseEjection - TimeSpan.FromTicks(1));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _time.Advance(MeshDefaults.BaseEjection * MeshDefaults.EjectionJitter + TimeSpan.FromTicks(2));
        Assert.True(_state.IsIn(Now));
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
        Assert.False(_state.IsIn(Now));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        Assert.True(_state.IsEjected);
    }

    [Fact]
    public void Succeeded_Probe_Readmits()
    {
        _state.Fail(5, Now);
        Probe();
        _state.Succeeded(Admission.Probe, Now);
        Assert.False(_state.IsEjected);
        Assert.Equal(Admission.Ordinary, _state.TryEnter(Now));
        Assert.Equal((0, false), (_health.Ejected, _health.AnyOut));
        _state.Fail(4, Now);
        Assert.False(_state.IsEjected);
    }

    [Theory]
    [InlineData(Admission.Ordinary)]
    [InlineData(Admission.Refused)]
    [InlineData(Admission.Panic)]
    internal void Succeeded_CallThatIsNoProbe_DoesNotReadmit(Admission admission)
    {
        _state.Fail(5, Now);
        _state.Succeeded(admission, Now);
        Assert.True(_state.IsEjected);
        _time.Advance(TimeSpan.FromSeconds(40));
        _state.Succeeded(admission, Now);
        Assert.True(_state.IsEjected);
    }

    [Theory]
    [InlineData(Admission.Ordinary)]
    [InlineData(Admission.Refused)]
    [InlineData(Admission.Panic)]
    internal void Failed_CallThatIsNoProbe_DoesNotProlong(Admission admission)
    {
        _state.Fail(5, Now);
        _time.Advance(TimeSpan.FromSeconds(20));
        _state.Fail(20, Now, admission);
        _time.Advance(TimeSpan.FromSeconds(13.1));
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void Failed_Probes_EjectForLongerEachTimeUpToTheBound()
    {
        _state.Fail(5, Now);
        for (var n = 1; n <= 15; n++)
        {
            AssertOutFor(Math.Min(30.0 * n, 300), 0.1);
            Assert.Equal(Admission.Probe, _state.TryEnter(Now));
            _state.Failed(Admission.Probe, Now);
            Assert.Equal(1, _health.Ejected);
        }
    }

    [Fact]
    public void Failed_AgainSoonAfterReadmission_IsEjectedForLongerButForgivenInTime()
    {
        _state.Fail(5, Now);
        foreach (var (pause, length) in ((double Pause, double Length)[])[(5, 60), (9, 90), (21, 60), (1000, 30)])
        {
            Probe(TimeSpan.FromSeconds(400));
            _state.Succeeded(Admission.Probe, Now);
            _time.Advance(TimeSpan.FromSeconds(pause));
            _state.Fail(5, Now);
            AssertOutFor(length, 0.1);
        }
    }

    [Fact]
    public void ToldNothing_Probe_MakesRoomForAnotherAtOnce()
    {
        _state.Fail(5, Now);
        Probe();
        _state.ToldNothing(Admission.Ordinary, Now);
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _state.ToldNothing(Admission.Probe, Now);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void TryEnter_ProbeThatNeverReports_MakesRoomForAnother()
    {
        _state.Fail(5, Now);
        Probe();
        _time.Advance(MeshDefaults.BaseEjection - TimeSpan.FromTicks(1));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void SetListed_EjectedLeaves_FreesItsPlaceOnceAndComesBackClean()
    {
        _state.Fail(5, Now);
        _state.SetListed(false);
        _state.SetListed(false);
        Assert.Equal((0, false), (_health.Ejected, _health.AnyOut));
        _state.SetListed(true);
        Assert.True(_state.IsIn(Now));
        _state.Fail(4, Now);
        Assert.True(_state.IsIn(Now));
        _state.Fail(1, Now);
        AssertOutFor(30, 0.1);
    }

    [Fact]
    public void Failed_AfterLeaving_TakesNoPlace()
    {
        // Calls that were in flight when the instance vanished fail afterwards; nobody would ever give the place back.
        _state.Fail(5, Now);
        Probe();
        _state.SetListed(false);
        _state.Failed(Admission.Probe, Now);
        _state.Fail(10, Now);
        _state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        _state.Checked(isHealthy: false, Now);
        Assert.Equal((0, false, EjectionReason.None), (_health.Ejected, _health.AnyOut, _state.Reason));
        _peers[0].Fail(5, Now);
        Assert.True(_peers[0].IsEjected);
    }

    [Theory]
    [InlineData(false, EjectionReason.Unreachable)]
    [InlineData(true, EjectionReason.IdentityRefused)]
    internal void ConnectFailed_Once_IsOutAtOnceAndDoublesWithEachProbe(bool refused, EjectionReason reason)
    {
        _state.ConnectFailed(Admission.Ordinary, Now, refused);
        Assert.Equal((reason, false, 0), (_state.Reason, _state.IsEjected, _health.Ejected));
        // Those that waited for the same connection tell nothing new.
        _state.ConnectFailed(Admission.Ordinary, Now, refused);
        foreach (var seconds in (double[])[1, 2, 4, 8, 16, 32, 32, 32])
        {
            AssertOutFor(seconds, 0.5);
            Assert.Equal(Admission.Probe, _state.TryEnter(Now));
            Assert.Equal(Admission.Refused, _state.TryEnter(Now));
            _state.ConnectFailed(Admission.Probe, Now, refused);
        }
    }

    [Fact]
    public void ConnectFailed_ProbeGetsThrough_IsInWhateverTheAnswer()
    {
        _state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        _time.Advance(TimeSpan.FromSeconds(1.6));
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
        _state.Succeeded(Admission.Probe, Now);
        Assert.True(_state.IsIn(Now));
        _state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        AssertOutFor(1, 0.5);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
        _state.Failed(Admission.Probe, Now);
        Assert.True(_state.IsIn(Now));
        _state.Fail(4, Now);
        Assert.Equal(EjectionReason.ConsecutiveFailures, _state.Reason);
    }

    [Theory]
    [InlineData(Admission.Ordinary, false)]
    [InlineData(Admission.Refused, true)]
    internal void ConnectFailed_CallSentSinceIsAnswered_ProvesItCanBeReached(Admission admission, bool isIn)
    {
        _state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        _state.Succeeded(admission, Now);
        Assert.Equal(isIn, _state.IsIn(Now));
    }

    [Fact]
    public void ConnectFailed_ProbeOfAnEjected_MakesItUnreachableInstead()
    {
        _state.Fail(5, Now);
        Probe();
        _state.ConnectFailed(Admission.Probe, Now, isIdentityRefused: false);
        Assert.Equal((EjectionReason.Unreachable, 0, true), (_state.Reason, _health.Ejected, _health.AnyOut));
        AssertOutFor(1, 0.5);
    }

    [Theory]
    [InlineData(false, 30, 0.1)]
    [InlineData(true, 1, 0.5)]
    public void Failed_ManyInstancesAtOnce_DoNotComeBackTogether(bool connect, double seconds, double jitter)
    {
        var health = TestHealth.Make(_time, options: new MeshHealthOptions { MaxEjectionPercent = 100 });
        var states = health.Join(100);
        foreach (var state in states)
        {
            if (connect)
            {
                state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
            }
            else
            {
                state.Fail(MeshDefaults.ConsecutiveFailures, Now);
            }
        }

        var lengths = states.Select(state => (state.DueAt - Now) / (double)_time.TimestampFrequency).Order().ToList();
        Assert.InRange(lengths[0], seconds, seconds * (1 + (jitter / 10)));
        Assert.InRange(lengths[50], seconds * (1 + (jitter * 0.3)), seconds * (1 + (jitter * 0.7)));
        Assert.InRange(lengths[^1], seconds * (1 + (jitter * 0.9)), seconds * (1 + jitter));
    }

    [Fact]
    public void Answered_ProbeOfAnUnreachable_IsInAlthoughItHasNotEnded()
    {
        _state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        _time.Advance(MeshDefaults.MaxConnectBackoff * 2);
        var sentAt = Now;
        Assert.Equal(Admission.Probe, _state.TryEnter(sentAt));
        _time.Advance(TimeSpan.FromSeconds(1));
        _state.Answered(Admission.Probe, sentAt, Now);
        Assert.False(_state.IsOut);
    }

    [Fact]
    public void Answered_ProbeThatNeverEnds_IsInAfterTheBaseTimeWithoutAnother()
    {
        var sentAt = EjectAndProbe();
        _time.Advance(TimeSpan.FromSeconds(1));
        _state.Answered(Admission.Probe, sentAt, Now);
        Assert.True(_state.IsOut);
        _time.Advance(MeshDefaults.BaseEjection - TimeSpan.FromTicks(1));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(Admission.Ordinary, _state.TryEnter(Now));
        Assert.False(_state.IsOut);
    }

    [Fact]
    public void Answered_ProbeThatFailsInTheEnd_IsEjectedForLonger()
    {
        var sentAt = EjectAndProbe();
        _state.Answered(Admission.Probe, sentAt, Now);
        _time.Advance(MeshDefaults.BaseEjection * 2);
        _state.Failed(Admission.Probe, sentAt, Now);
        Assert.Equal(EjectionReason.ProbeFailed, _state.Reason);
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        // The next one has to be answered itself.
        _time.Advance(MeshDefaults.MaxEjection * 2);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
        _time.Advance(MeshDefaults.BaseEjection);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void Answered_CallThatIsNoProbe_ChangesNothing()
    {
        var sentAt = EjectAndProbe();
        _state.Answered(Admission.Panic, sentAt, Now);
        _state.Answered(Admission.Probe, sentAt - 1, Now);
        _time.Advance(MeshDefaults.BaseEjection);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void ConnectFailed_BackoffOff_CountsLikeAnyFailure()
    {
        var health = TestHealth.Make(_time, options: new MeshHealthOptions { ConnectBackoff = TimeSpan.Zero });
        var state = health.Join(2)[0];
        for (var i = 0; i < 5; i++)
        {
            Assert.True(state.IsIn(Now));
            state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        }

        Assert.Equal(EjectionReason.ConsecutiveFailures, state.Reason);
    }

    [Fact]
    public void Checked_Unhealthy_IsOutUntilHealthyAndSendsNoProbe()
    {
        _state.Checked(isHealthy: false, Now);
        Assert.Equal((EjectionReason.HealthCheck, false), (_state.Reason, _state.IsIn(Now)));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _state.Succeeded(Admission.Refused, Now);
        Assert.False(_state.IsIn(Now));
        _state.Checked(isHealthy: true, Now);
        Assert.Equal(Admission.Ordinary, _state.TryEnter(Now));
    }

    [Fact]
    public void Checked_Healthy_EndsBeingUnreachableButNoEjection()
    {
        _state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        _state.Checked(isHealthy: true, Now);
        Assert.True(_state.IsIn(Now));
        _state.Fail(5, Now);
        _state.Checked(isHealthy: true, Now);
        Assert.True(_state.IsEjected);
        _state.Checked(isHealthy: false, Now);
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _state.Checked(isHealthy: true, Now);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Theory]
    [InlineData("success")]
    [InlineData("failure")]
    [InlineData("no connection")]
    [InlineData("nothing")]
    public void Reported_ByAProbeWhosePlaceAnotherHasTaken_ChangesNothing(string report)
    {
        _state.Fail(5, Now);
        Probe();
        var first = Now;
        _time.Advance(MeshDefaults.BaseEjection);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
        var second = Now;
        _time.Advance(TimeSpan.FromSeconds(1));
        switch (report)
        {
            case "success":
                _state.Succeeded(Admission.Probe, first, Now);
                break;
            case "failure":
                _state.Failed(Admission.Probe, first, Now);
                break;
            case "no connection":
                _state.ConnectFailed(Admission.Probe, first, Now, isIdentityRefused: false);
                break;
            default:
                _state.ToldNothing(Admission.Probe, first);
                break;
        }

        Assert.Equal(EjectionReason.ConsecutiveFailures, _state.Reason);
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _state.ToldNothing(Admission.Probe, second);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void ForgetChecks_Unreachable_StaysOutForWantOfACheckThatPassed()
    {
        _state.ConnectFailed(Admission.Ordinary, Now, isIdentityRefused: false);
        _state.Checked(isHealthy: false, Now);
        _state.ForgetChecks(Now);
        Assert.Equal(EjectionReason.Unreachable, _state.Reason);
        _state.Checked(isHealthy: true, Now);
        Assert.False(_state.IsOut);
        _state.Checked(isHealthy: false, Now);
        Assert.True(_state.IsOut);
        _state.ForgetChecks(Now);
        Assert.False(_state.IsOut);
        Assert.False(_health.AnyOut);
    }

    [Fact]
    public async Task TryEnter_ManyThreadsAtOnce_OneProbe()
    {
        for (var round = 0; round < 200; round++)
        {
            var state = TestHealth.Make(_time, new MeshRandom((ulong)round)).Join(2)[0];
            state.Fail(5, Now);
            _time.Advance(TimeSpan.FromSeconds(40));
            using var gate = new Barrier(4);
            var admissions = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    gate.SignalAndWait(TimeSpan.FromSeconds(10));
                    return state.TryEnter(Now);
                },
                TestContext.Current.CancellationToken,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default)));
            Assert.Equal(1, admissions.Count(admission => admission == Admission.Probe));
            Assert.Equal(3, admissions.Count(admission => admission == Admission.Refused));
        }
    }

    private void AssertOutFor(double seconds, double jitter)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromTicks(1));
        Assert.False(_state.IsIn(Now));
        _time.Advance(TimeSpan.FromSeconds(seconds * jitter) + TimeSpan.FromTicks(2));
        Assert.True(_state.IsIn(Now));
    }

    private void Probe(TimeSpan? after = null)
    {
        _time.Advance(after ?? TimeSpan.FromSeconds(34));
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    private long EjectAndProbe()
    {
        _state.Fail(MeshDefaults.ConsecutiveFailures, Now);
        _time.Advance(MeshDefaults.BaseEjection * 2);
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
        return Now;
    }
}
