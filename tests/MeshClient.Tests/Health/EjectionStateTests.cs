using MeshClient.Configuration;
using MeshClient.Health;
using MeshClient.Testing;

namespace MeshClient.Tests.Health;

public sealed class EjectionStateTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly EjectionQuota _quota = new();
    private readonly EjectionState _state;

    public EjectionStateTests()
    {
        _quota.Resize(10);
        _state = Make();
    }

    private long Now => _time.GetTimestamp();

    [Fact]
    public void Failed_FourInARow_StaysIn()
    {
        Fail(_state, 4);
        Assert.False(_state.IsEjected);
        Assert.Equal(Admission.Ordinary, _state.TryEnter(Now));
    }

    [Fact]
    public void Failed_FiveInARow_Ejects()
    {
        Fail(_state, 5);
        Assert.True(_state.IsEjected);
        Assert.False(_state.IsIn(Now));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        Assert.Equal(1, _quota.Ejected);
    }

    [Fact]
    public void Failed_SuccessBetween_CountsAnew()
    {
        Fail(_state, 4);
        _state.Succeeded(Admission.Ordinary);
        Fail(_state, 4);
        Assert.False(_state.IsEjected);
    }

    [Fact]
    public void Failed_QuotaUsedUp_StaysInUntilAPlaceIsFree()
    {
        var other = Make();
        Fail(other, 5);
        Fail(_state, 50);
        Assert.False(_state.IsEjected);
        other.Removed();
        Fail(_state, 1);
        Assert.True(_state.IsEjected);
    }

    [Fact]
    public void TryEnter_EjectionOver_LetsExactlyOneProbeThrough()
    {
        Fail(_state, 5);
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
        Fail(_state, 5);
        Probe(_state);
        _state.Succeeded(Admission.Probe);
        Assert.False(_state.IsEjected);
        Assert.Equal(Admission.Ordinary, _state.TryEnter(Now));
        Assert.Equal(0, _quota.Ejected);
        Fail(_state, 4);
        Assert.False(_state.IsEjected);
    }

    [Theory]
    [InlineData(Admission.Ordinary)]
    [InlineData(Admission.Refused)]
    internal void Succeeded_CallThatIsNoProbe_DoesNotReadmit(Admission admission)
    {
        Fail(_state, 5);
        _state.Succeeded(admission);
        Assert.True(_state.IsEjected);
        _time.Advance(TimeSpan.FromSeconds(40));
        _state.Succeeded(admission);
        Assert.True(_state.IsEjected);
    }

    [Theory]
    [InlineData(Admission.Ordinary)]
    [InlineData(Admission.Refused)]
    internal void Failed_CallThatIsNoProbe_DoesNotProlong(Admission admission)
    {
        Fail(_state, 5);
        _time.Advance(TimeSpan.FromSeconds(20));
        for (var i = 0; i < 20; i++)
        {
            _state.Failed(admission, Now);
        }

        _time.Advance(TimeSpan.FromSeconds(13.1));
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void Failed_Probes_EjectForLongerEachTimeUpToTheBound()
    {
        Fail(_state, 5);
        for (var n = 1; n <= 15; n++)
        {
            var length = Math.Min(30.0 * n, 300);
            _time.Advance(TimeSpan.FromSeconds(length) - TimeSpan.FromTicks(1));
            Assert.False(_state.IsIn(Now));
            _time.Advance(TimeSpan.FromSeconds(length * 0.1) + TimeSpan.FromTicks(2));
            Assert.Equal(Admission.Probe, _state.TryEnter(Now));
            _state.Failed(Admission.Probe, Now);
            Assert.Equal(1, _quota.Ejected);
        }
    }

    [Fact]
    public void TryEnter_ProbeThatNeverReports_MakesRoomForAnother()
    {
        Fail(_state, 5);
        Probe(_state);
        _time.Advance(MeshDefaults.BaseEjection - TimeSpan.FromTicks(1));
        Assert.Equal(Admission.Refused, _state.TryEnter(Now));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(Admission.Probe, _state.TryEnter(Now));
    }

    [Fact]
    public void Removed_Ejected_FreesItsPlaceOnce()
    {
        Fail(_state, 5);
        _state.Removed();
        _state.Removed();
        Assert.Equal(0, _quota.Ejected);
    }

    [Fact]
    public void Failed_AfterRemoval_TakesNoPlace()
    {
        // Calls that were in flight when the instance vanished fail afterwards; nobody would ever give the place back.
        _state.Removed();
        Fail(_state, 10);
        Assert.Equal(0, _quota.Ejected);
        var other = Make();
        Fail(other, 5);
        Assert.True(other.IsEjected);
    }

    [Fact]
    public void Failed_ProbeAfterRemoval_TakesNoPlace()
    {
        Fail(_state, 5);
        Probe(_state);
        _state.Removed();
        _state.Failed(Admission.Probe, Now);
        Assert.Equal(0, _quota.Ejected);
        Assert.False(_state.IsEjected);
    }

    [Fact]
    public async Task TryEnter_ManyThreadsAtOnce_OneProbe()
    {
        for (var round = 0; round < 200; round++)
        {
            var quota = new EjectionQuota();
            quota.Resize(2);
            var state = new EjectionState(quota, _time, new MeshRandom((ulong)round));
            Fail(state, 5);
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

    private EjectionState Make() => new(_quota, _time, new MeshRandom(5));

    private void Fail(EjectionState state, int times)
    {
        for (var i = 0; i < times; i++)
        {
            state.Failed(Admission.Ordinary, Now);
        }
    }

    private void Probe(EjectionState state)
    {
        _time.Advance(TimeSpan.FromSeconds(34));
        Assert.Equal(Admission.Probe, state.TryEnter(Now));
    }
}
