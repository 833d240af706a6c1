using FsCheck;
using FsCheck.Fluent;
using MeshClient.Configuration;
using MeshClient.Health;
using MeshClient.Testing;
using MeshClient.Tests.Support;

namespace MeshClient.Tests.Health;

/// <summary>Random histories of several instances of one service, checked after each step.</summary>
public sealed class EjectionStateProperties
{
    private const int Instances = 25;

    [Theory]
    [InlineData(10)]
    [InlineData(40)]
    [InlineData(100)]
    public void AnyHistory_KeepsTheShareAndOneProbeAndReturnsInTheEnd(int percent)
    {
        var step = from instance in Gen.Choose(0, Instances - 1)
                   from kind in Gen.Choose(0, 12)
                   from seconds in Gen.Choose(1, 120)
                   select (instance, kind, seconds);
        Prop.ForAll(Arb.From(step.ListOf(400)), history => new History(percent).Run([.. history]))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100));
    }

    [Fact]
    public void AnyOrderOfReports_OneProbeAtATime()
    {
        var step = from kind in Gen.Choose(0, 10)
                   from which in Gen.Choose(0, 1000)
                   select (kind, which);
        Prop.ForAll(Arb.From(step.ListOf(100)), history => OneInstance([.. history]))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(200));
    }

    // Its calls report in any order, whenever; the place of a probe is another's only when it was given back or its time is over.
    private static bool OneInstance((int Kind, int Which)[] steps)
    {
        var time = new FakeTimeProvider();
        var state = TestHealth.Make(time).Join(2)[0];
        var inFlight = new List<(Admission Admission, long SentAt)>();
        // When it was sent, and from when its time counts.
        (long SentAt, long Since)? probe = null;
        state.Fail(MeshDefaults.ConsecutiveFailures, time.GetTimestamp());
        foreach (var (kind, which) in steps)
        {
            var now = time.GetTimestamp();
            if (kind < 4)
            {
                var admission = state.TryEnter(now);
                if (admission == Admission.Probe)
                {
                    Assert.True(probe is not { } held || now - held.Since >= MeshDefaults.BaseEjection.TotalSeconds * time.TimestampFrequency);
                    probe = (now, now);
                }

                inFlight.Add((admission, now));
            }
            else if (kind < 6)
            {
                time.Advance(TimeSpan.FromSeconds(which % 40));
            }
            else if (inFlight.Count > 0)
            {
                var (admission, sentAt) = inFlight[which % inFlight.Count];
                var isProbe = admission == Admission.Probe && sentAt == probe?.SentAt;
                if (kind == 10)
                {
                    // The head of its answer, with which it does not end, but its time begins anew.
                    state.Answered(admission, sentAt, now);
                    probe = isProbe ? (sentAt, now) : probe;
                }
                else
                {
                    inFlight.RemoveAt(which % inFlight.Count);
                    probe = isProbe ? null : probe;
                    Report(state, kind, admission, sentAt, now);
                }
            }

            probe = state.IsOut ? probe : null;
        }

        return true;
    }

    private static void Report(EjectionState state, int kind, Admission admission, long sentAt, long now)
    {
        switch (kind)
        {
            case 6:
                state.Succeeded(admission, sentAt, now);
                break;
            case 7:
                state.ConnectFailed(admission, sentAt, now, isIdentityRefused: false);
                break;
            case 8:
                state.Failed(admission, sentAt, now);
                break;
            default:
                state.ToldNothing(admission, sentAt);
                break;
        }
    }

    private sealed class History
    {
        private readonly FakeTimeProvider _time = new();
        private readonly ServiceHealth _health;
        private readonly int _percent;
        private readonly EjectionState[] _states;
        private readonly List<(EjectionState State, Admission Admission, long SentAt)> _inFlight = [];
        private readonly Dictionary<EjectionState, long> _probeSince = [];

        public History(int percent)
        {
            _percent = percent;
            _health = TestHealth.Make(_time, options: new MeshHealthOptions { MaxEjectionPercent = percent });
            _states = _health.Join(Instances);
        }

        private long Now => _time.GetTimestamp();

        public bool Run((int Instance, int Kind, int Seconds)[] steps)
        {
            foreach (var step in steps)
            {
                var before = _health.Ejected;
                Step(_states[step.Instance], step.Kind, step.Seconds);
                Check(before);
            }

            // Whatever happened: after the longest ejection everything can be called again, as a probe at least.
            _time.Advance(MeshDefaults.MaxEjection * (1 + MeshDefaults.EjectionJitter) + MeshDefaults.BaseEjection);
            foreach (var state in _states)
            {
                state.SetListed(true);
                state.Checked(isHealthy: true, Now);
                Assert.True(state.IsIn(Now));
                var admission = state.TryEnter(Now);
                Assert.NotEqual(Admission.Refused, admission);
                state.Succeeded(admission, Now);
                Assert.False(state.IsOut);
            }

            Assert.Equal((0, false, false), (_health.Ejected, _health.AnyOut, _health.IsPanicking));
            return true;
        }

        private void Step(EjectionState state, int kind, int seconds)
        {
            switch (kind)
            {
                case <= 3:
                    Enter(state);
                    break;
                case <= 8:
                    // The oldest calls come back, of instances that have gone too; mostly with failures.
                    foreach (var (called, admission, sentAt) in _inFlight.Take(5).ToList())
                    {
                        _inFlight.RemoveAt(0);
                        Report(called, admission, sentAt, kind);
                    }

                    break;
                case 9:
                    _time.Advance(TimeSpan.FromSeconds(seconds));
                    break;
                case 10:
                    state.Checked(isHealthy: seconds > 60, Now);
                    break;
                default:
                    state.SetListed(!state.IsListed);
                    _probeSince.Remove(state);
                    break;
            }
        }

        private void Enter(EjectionState state)
        {
            for (var i = 0; i < 3; i++)
            {
                var wasOut = state.IsOut;
                var admission = state.TryEnter(Now);
                Assert.Equal(wasOut, admission != Admission.Ordinary);
                Assert.False(admission == Admission.Panic && !_health.IsPanicking);
                Assert.False(
                    admission == Admission.Panic && state.Reason is EjectionReason.Unreachable or EjectionReason.IdentityRefused);
                if (admission == Admission.Probe)
                {
                    // One at a time, unless the last one has been silent for the base time.
                    Assert.True(!_probeSince.TryGetValue(state, out var since)
                        || Now - since >= MeshDefaults.BaseEjection.TotalSeconds * _time.TimestampFrequency);
                    _probeSince[state] = Now;
                }

                _inFlight.Add((state, admission, Now));
            }
        }

        private void Report(EjectionState called, Admission admission, long sentAt, int kind)
        {
            // One that was silent for too long gives back nothing: the place is another's by then.
            if (admission == Admission.Probe && _probeSince.TryGetValue(called, out var since) && since == sentAt)
            {
                _probeSince.Remove(called);
            }

            switch (kind)
            {
                case 4:
                    called.Succeeded(admission, sentAt, Now);
                    break;
                case 5:
                    called.ConnectFailed(admission, sentAt, Now, isIdentityRefused: called.Name.EndsWith('7'));
                    break;
                case 6:
                    called.ToldNothing(admission, sentAt);
                    break;
                default:
                    called.Failed(admission, sentAt, Now);
                    break;
            }

            if (called.Reason == EjectionReason.None)
            {
                // Another call than the probe may have found that it can be reached; what is out next is a new story.
                _probeSince.Remove(called);
            }
        }

        private void Check(int before)
        {
            var listed = _states.Count(state => state.IsListed);
            var ejected = _states.Count(state => state.IsEjected);
            Assert.Equal(ejected, _health.Ejected);
            Assert.Equal(_states.Any(state => state.IsOut), _health.AnyOut);
            // When instances leave, those ejected before may be too many for a while; more there never are.
            var allowed = listed < 2 ? 0 : Math.Max(1, listed * _percent / 100);
            Assert.InRange(ejected, 0, Math.Max(allowed, before));
            var outOfThem = _states.Count(state => state.IsOut);
            Assert.Equal((listed - outOfThem) * 100 < MeshDefaults.PanicPercent * listed, _health.IsPanicking);
        }
    }
}
