using FsCheck;
using FsCheck.Fluent;
using MeshClient.Configuration;
using MeshClient.Health;
using MeshClient.Testing;

namespace MeshClient.Tests.Health;

/// <summary>Random histories of several instances of one service, checked after each step.</summary>
public sealed class EjectionStateProperties
{
    private const int Instances = 25;

    [Fact]
    public void AnyHistory_KeepsTheQuotaAndOneProbeAndReturnsInTheEnd()
    {
        var step = from instance in Gen.Choose(0, Instances - 1)
                   from kind in Gen.Choose(0, 9)
                   from seconds in Gen.Choose(1, 120)
                   select (instance, kind, seconds);
        Prop.ForAll(Arb.From(step.ListOf(400)), history => new History().Run([.. history]))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(150));
    }

    private sealed class History
    {
        private readonly FakeTimeProvider _time = new();
        private readonly EjectionQuota _quota = new();
        private readonly MeshRandom _random = new(3);
        private readonly EjectionState?[] _states = new EjectionState?[Instances];
        private readonly List<(EjectionState State, Admission Admission)> _inFlight = [];
        private readonly Dictionary<EjectionState, long> _probeSince = [];

        public bool Run((int Instance, int Kind, int Seconds)[] steps)
        {
            for (var i = 0; i < Instances; i++)
            {
                _states[i] = new EjectionState(_quota, _time, _random);
            }

            _quota.Resize(Instances);
            foreach (var step in steps)
            {
                Step(step.Instance, step.Kind, step.Seconds);
                Check();
            }

            // Whatever happened: after the longest ejection everything can be called again, as a probe at least.
            _time.Advance(MeshDefaults.MaxEjection * (1 + MeshDefaults.EjectionJitter) + MeshDefaults.BaseEjection);
            foreach (var state in _states.OfType<EjectionState>())
            {
                Assert.True(state.IsIn(_time.GetTimestamp()));
                var admission = state.TryEnter(_time.GetTimestamp());
                Assert.NotEqual(Admission.Refused, admission);
                state.Succeeded(admission);
                Assert.False(state.IsEjected);
            }

            Assert.Equal(0, _quota.Ejected);
            return true;
        }

        private void Step(int instance, int kind, int seconds)
        {
            var now = _time.GetTimestamp();
            switch (kind)
            {
                case <= 3 when _states[instance] is { } state:
                    for (var i = 0; i < 3; i++)
                    {
                        var wasOut = state.IsEjected;
                        var admission = state.TryEnter(now);
                        Assert.Equal(wasOut, admission != Admission.Ordinary);
                        if (admission == Admission.Probe)
                        {
                            // One at a time, unless the last one has been silent for the base time.
                            Assert.True(!_probeSince.TryGetValue(state, out var since)
                                || now - since >= MeshDefaults.BaseEjection.TotalSeconds * _time.TimestampFrequency);
                            _probeSince[state] = now;
                        }

                        _inFlight.Add((state, admission));
                    }

                    break;
                case <= 7:
                    // The oldest calls come back, of removed instances too; mostly with failures.
                    foreach (var (state, admission) in _inFlight.Take(5).ToList())
                    {
                        _inFlight.RemoveAt(0);
                        if (admission == Admission.Probe)
                        {
                            _probeSince.Remove(state);
                        }

                        if (kind == 7)
                        {
                            state.Succeeded(admission);
                        }
                        else
                        {
                            state.Failed(admission, now);
                        }
                    }

                    break;
                case 8:
                    _time.Advance(TimeSpan.FromSeconds(seconds));
                    break;
                default:
                    if (_states[instance] is { } gone)
                    {
                        gone.Removed();
                        _states[instance] = null;
                    }
                    else
                    {
                        _states[instance] = new EjectionState(_quota, _time, _random);
                    }

                    _quota.Resize(_states.Count(state => state is not null));
                    break;
            }
        }

        private void Check()
        {
            var ejected = _states.Count(state => state?.IsEjected == true);
            Assert.Equal(ejected, _quota.Ejected);
            Assert.InRange(ejected, 0, Math.Max(1, Instances * MeshDefaults.MaxEjectionPercent / 100));
        }
    }
}
