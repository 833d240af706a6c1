using MeshClient.Configuration;
using MeshClient.Discovery;

namespace MeshClient.Health;

/// <summary>
/// Whether one instance is left out because of what came of calls and health checks. One per instance, fed by every call to it.
/// </summary>
/// <remarks>
/// In: calls come. It goes out
/// - ejected, when too many calls in a row failed, or too small a share of the late ones succeeded though others do better
///   (<see cref="CallWindow"/>), or it stands out among its peers; if <see cref="ServiceHealth"/> has a place among the ejected;
/// - unreachable, at once, when no connection could be made or the peer could not prove to be the service;
/// - unhealthy, when the health checks of this process say so.
/// Ejected: no calls come for the base time times the number of ejections so far, up to the greatest, plus a random part, so
/// that instances do not come back together. After that, exactly one call is its probe, whatever the instance would cost: its
/// failures count as slow, so that it would not be picked for long. Success puts the instance back in; failure ejects it for
/// longer. The number of ejections falls by one for every 10 s an instance stays in.
/// Unreachable: the same for a time that begins short and doubles with each probe that finds no connection, because an instance
/// that restarts is back in seconds. A probe that gets through ends it, whatever the answer.
/// A probe that tells nothing (its caller gave up) frees the place at once; one that never reports, after the base time. From when
/// another has taken its place, it is the probe no more, and what it reports is the word of an old call.
/// A probe may be a stream of gRPC, which tells whether it succeeded when it ends, and that may be never. That its answer has begun
/// proves that the instance can be reached; and one that has gone on for the base time since then has succeeded for all that matters.
/// Unhealthy: until enough health checks have passed, and no call is sent as a probe.
/// Whatever brings it back, it is like one that has just come: what it took and how it failed before is forgotten, and it begins
/// slowly where a slow start is set. Only the failure by which an unreachable one proves that it can be reached still counts.
/// Sources: consecutive failures, growth, caps and the falling count are Envoy's outlier detection and gRPC A50; the success rate
/// and the fast way out for connections that fail are Finagle's (FailureAccrualPolicy, FailFastFactory); the single real call as
/// a probe is Finagle's and Linkerd's.
/// </remarks>
internal sealed class EjectionState
{
    private readonly ServiceHealth _service;
    private readonly InstanceVitals _vitals;
    private readonly Lock _lock = new();
    private CallWindow _window;
    private volatile EjectionReason _reason;
    private volatile bool _failsChecks;
    private bool _isListed;
    private int _failures;
    private int _ejections;
    private int _connectFailures;
    private long _returnAt;
    private long _probeUntil;
    private long _probeSentAt;
    private bool _isProbeAnswered;
    private long _cameBackAt;
    private long _rateReadAt = long.MinValue / 2;

    /// <param name="service">What the instances of the service have in common.</param>
    /// <param name="name">What the instance is called where it is told of.</param>
    /// <param name="vitals">Where calls find out about it.</param>
    public EjectionState(ServiceHealth service, string name, InstanceVitals vitals)
    {
        _service = service;
        _vitals = vitals;
        Name = name;
        // Or the first look at it would be at all the time since the clock began.
        ForgetCallsInLock(service.Now);
        SetListed(true);
    }

    public string Name { get; }

    /// <summary>Whether the registry has it to be called; without that it counts for nothing.</summary>
    public bool IsListed => Volatile.Read(ref _isListed);

    /// <summary>Whether it is out, for whatever reason, a probe included.</summary>
    public bool IsOut => _vitals.IsOut;

    /// <summary>Whether it is ejected, a probe included.</summary>
    public bool IsEjected => IsEjection(_reason);

    /// <summary>Why it is out.</summary>
    public EjectionReason Reason => _reason is var reason && reason != EjectionReason.None ? reason
        : _failsChecks ? EjectionReason.HealthCheck
        : EjectionReason.None;

    /// <summary>Whether any call may be sent: in, or out while too few are in.</summary>
    public bool IsServing => !IsOut || IsLiftedByPanic;

    /// <summary>Whether a call may be sent: in, or out and due for a probe, or out while too few are in.</summary>
    public bool IsIn(long now) => IsServing || IsDue(now);

    /// <summary>Whether it waits for a call to be its probe.</summary>
    public bool IsDue(long now) => now >= DueAt;

    /// <summary>From when on it waits for its probe, as a timestamp; never, while it is in or fails the health checks.</summary>
    public long DueAt => _reason == EjectionReason.None || _failsChecks ? long.MaxValue
        : Math.Max(Volatile.Read(ref _returnAt), Volatile.Read(ref _probeUntil));

    /// <summary>Whether no connection could be made to it, so that a call that fails as its probe was surely not executed.</summary>
    public bool IsUnreachable => _reason is EjectionReason.Unreachable or EjectionReason.IdentityRefused;

    private HealthSettings Settings => _service.Settings;

    // Where no connection can be made, and where nobody proves to be the service, no call can be helped.
    private bool IsLiftedByPanic => _service.IsPanicking && !IsUnreachable;

    /// <summary>Asks to send a call.</summary>
    /// <returns><see cref="Admission.Refused"/> when another call took the probe's place since <see cref="IsIn"/> was asked.</returns>
    public Admission TryEnter(long now)
    {
        if (!IsOut)
        {
            return Admission.Ordinary;
        }

        HealthChange change;
        lock (_lock)
        {
            if (!IsOut)
            {
                return Admission.Ordinary;
            }

            if (!IsDue(now))
            {
                return IsLiftedByPanic ? Admission.Panic : Admission.Refused;
            }

            if (!_isProbeAnswered)
            {
                _probeSentAt = now;
                Volatile.Write(ref _probeUntil, now + _service.Ticks(Settings.BaseEjection));
                return Admission.Probe;
            }

            change = ComeBackInLock(now);
        }

        _service.Tell(this, change);
        return Admission.Ordinary;
    }

    /// <summary>The answer to a call has begun, and what comes of it is known at its end only.</summary>
    /// <inheritdoc cref="Succeeded"/>
    public void Answered(Admission admission, long sentAt, long now)
    {
        HealthChange change = default;
        lock (_lock)
        {
            admission = PresentInLock(admission, sentAt);
            if (IsUnreachable && admission != Admission.Ordinary)
            {
                change = ComeBackInLock(now);
            }
            else if (admission == Admission.Probe)
            {
                _isProbeAnswered = true;
                Volatile.Write(ref _probeUntil, now + _service.Ticks(Settings.BaseEjection));
            }
        }

        _service.Tell(this, change);
    }

    /// <summary>A call succeeded.</summary>
    /// <param name="admission">On what terms the call was sent.</param>
    /// <param name="sentAt">The timestamp at which <see cref="TryEnter"/> was asked for it.</param>
    /// <param name="now">The present timestamp.</param>
    public void Succeeded(Admission admission, long sentAt, long now)
    {
        _vitals.CountSuccess();
        if (!_vitals.IsSuspect)
        {
            return;
        }

        HealthChange change = default;
        lock (_lock)
        {
            SetFailuresInLock(0);
            // A call sent before the ejection proves nothing about now; only the probe readmits. That it can be reached is
            // proved by any call sent since.
            admission = PresentInLock(admission, sentAt);
            if (_reason != EjectionReason.None && (admission == Admission.Probe || (IsUnreachable && admission != Admission.Ordinary)))
            {
                change = ComeBackInLock(now);
            }
        }

        _service.Tell(this, change);
    }

    /// <summary>A call reached the instance and failed there.</summary>
    /// <inheritdoc cref="Succeeded"/>
    public void Failed(Admission admission, long sentAt, long now)
    {
        HealthChange change = default;
        var isSuspect = false;
        lock (_lock)
        {
            // A call may outlast the instance; a place it took among the ejected would never be given back.
            if (!_isListed)
            {
                return;
            }

            admission = PresentInLock(admission, sentAt);
            _window.Failed();
            SetFailuresInLock(_failures + 1);
            if (IsUnreachable)
            {
                if (admission != Admission.Ordinary)
                {
                    change = ComeBackInLock(now, hasFailed: true);
                    SetFailuresInLock(1);
                }
            }
            else if (_reason != EjectionReason.None)
            {
                if (admission == Admission.Probe)
                {
                    change = EjectInLock(EjectionReason.ProbeFailed, now);
                }
            }
            else if (Settings.ConsecutiveFailures > 0 && _failures >= Settings.ConsecutiveFailures && _service.TryEject())
            {
                change = EjectInLock(EjectionReason.ConsecutiveFailures, now);
            }
            else
            {
                isSuspect = IsRateLowInLock(now);
            }
        }

        _service.Tell(this, change);
        // Outside of the lock, because the peers are looked at under theirs.
        if (isSuspect && !_service.ArePeersNoBetter(this, Settings.SuccessRate, now))
        {
            Eject(EjectionReason.SuccessRate, now);
        }

        _service.CompareIfDue(now);
    }

    /// <summary>No connection could be made for a call.</summary>
    /// <param name="admission">On what terms the call was sent.</param>
    /// <param name="sentAt">The timestamp at which <see cref="TryEnter"/> was asked for it.</param>
    /// <param name="now">The present timestamp.</param>
    /// <param name="isIdentityRefused">Whether there was one, but not to the service.</param>
    public void ConnectFailed(Admission admission, long sentAt, long now, bool isIdentityRefused)
    {
        if (Settings.ConnectBackoff <= TimeSpan.Zero)
        {
            Failed(admission, sentAt, now);
            return;
        }

        HealthChange change;
        lock (_lock)
        {
            // Many calls may wait for one connection; all but the first tell what is known.
            if (!_isListed || (_reason != EjectionReason.None && PresentInLock(admission, sentAt) != Admission.Probe))
            {
                return;
            }

            if (IsEjected)
            {
                _service.Returned();
            }

            var seconds = Math.Min(
                Settings.ConnectBackoff.TotalSeconds * Math.Pow(2, Math.Min(_connectFailures++, 30)), Settings.MaxConnectBackoff.TotalSeconds);
            change = GoOutInLock(
                isIdentityRefused ? EjectionReason.IdentityRefused : EjectionReason.Unreachable,
                TimeSpan.FromSeconds(seconds),
                MeshDefaults.ConnectBackoffJitter,
                now);
        }

        _service.Tell(this, change);
    }

    /// <summary>A call ended in a way that tells nothing of the instance.</summary>
    /// <param name="admission">On what terms the call was sent.</param>
    /// <param name="sentAt">The timestamp at which <see cref="TryEnter"/> was asked for it.</param>
    public void ToldNothing(Admission admission, long sentAt)
    {
        if (admission != Admission.Probe)
        {
            return;
        }

        lock (_lock)
        {
            if (PresentInLock(admission, sentAt) == Admission.Probe)
            {
                ForgetProbeInLock();
                _service.Schedule(_returnAt);
            }
        }
    }

    /// <summary>Ejects it, if it is in and there is a place among the ejected.</summary>
    public void Eject(EjectionReason reason, long now)
    {
        HealthChange change;
        lock (_lock)
        {
            if (!_isListed || _reason != EjectionReason.None || !_service.TryEject())
            {
                return;
            }

            change = EjectInLock(reason, now);
        }

        _service.Tell(this, change);
    }

    /// <summary>
    /// What the health checks of this process say. That they pass ends being unreachable, but no ejection: a check that passes
    /// while calls fail is no news.
    /// </summary>
    public void Checked(bool isHealthy, long now)
    {
        HealthChange change = default;
        lock (_lock)
        {
            if (!_isListed)
            {
                return;
            }

            if (_failsChecks == isHealthy)
            {
                change = SetFailsChecksInLock(!isHealthy, now);
            }

            if (isHealthy && IsUnreachable)
            {
                change = ComeBackInLock(now);
            }
        }

        _service.Tell(this, change);
    }

    /// <summary>Forgets what the health checks said, since they are made no more. That none fails now is no check that passed.</summary>
    public void ForgetChecks(long now)
    {
        HealthChange change;
        lock (_lock)
        {
            if (!_failsChecks)
            {
                return;
            }

            change = SetFailsChecksInLock(false, now);
        }

        _service.Tell(this, change);
    }

    /// <summary>The calls of late.</summary>
    public CallCounts Read(long now)
    {
        lock (_lock)
        {
            return ReadInLock(now);
        }
    }

    /// <summary>
    /// Whether the registry has the instance to be called. One that has not counts for nothing, and begins anew when it has again:
    /// the registry's word is newer than what was known.
    /// </summary>
    public void SetListed(bool isListed)
    {
        lock (_lock)
        {
            if (_isListed == isListed)
            {
                return;
            }

            _isListed = isListed;
            if (isListed)
            {
                _service.Join(this);
                return;
            }

            if (IsEjected)
            {
                _service.Returned();
            }

            _failsChecks = false;
            _reason = EjectionReason.None;
            (_connectFailures, _ejections) = (0, 0);
            SetFailuresInLock(0);
            ForgetProbeInLock();
            ForgetCallsInLock(_service.Now);
            CountInLock(_service.Now);
            _service.Leave(this);
        }
    }

    private static bool IsEjection(EjectionReason reason) =>
        reason is not (EjectionReason.None or EjectionReason.Unreachable or EjectionReason.IdentityRefused);

    // There is one probe at a time, so the time at which it was sent tells it from those before it.
    private Admission PresentInLock(Admission admission, long sentAt) =>
        admission == Admission.Probe && (_probeUntil == 0 || sentAt != _probeSentAt) ? Admission.Ordinary : admission;

    private void ForgetProbeInLock()
    {
        _isProbeAnswered = false;
        Volatile.Write(ref _probeUntil, 0);
    }

    private HealthChange SetFailsChecksInLock(bool failsChecks, long now)
    {
        _failsChecks = failsChecks;
        _service.Schedule(DueAt);
        CountInLock(now);
        return new HealthChange(failsChecks ? HealthChangeKind.WentOut : HealthChangeKind.CameBack, EjectionReason.HealthCheck);
    }

    // At most once a second: a run of failures is what the count in a row is for.
    private bool IsRateLowInLock(long now)
    {
        if (Settings.SuccessRate <= 0 || now - _rateReadAt < _service.Ticks(MeshDefaults.SuccessRateInterval))
        {
            return false;
        }

        _rateReadAt = now;
        var counts = ReadInLock(now);
        return counts.Calls >= MeshDefaults.SuccessRateMinCalls && counts.SuccessRate < Settings.SuccessRate;
    }

    private HealthChange EjectInLock(EjectionReason reason, long now)
    {
        var stayed = reason == EjectionReason.ProbeFailed ? 0 : (now - _cameBackAt) / _service.Ticks(MeshDefaults.PeerComparisonInterval);
        _ejections = (int)Math.Max(0, _ejections - stayed) + 1;
        var seconds = Math.Min(Settings.BaseEjection.TotalSeconds * _ejections, Settings.MaxEjection.TotalSeconds);
        return GoOutInLock(reason, TimeSpan.FromSeconds(seconds), MeshDefaults.EjectionJitter, now);
    }

    private HealthChange GoOutInLock(EjectionReason reason, TimeSpan length, double jitter, long now)
    {
        var wasIn = _reason == EjectionReason.None;
        SetFailuresInLock(0);
        // What is known of it is what put it out; afterwards it is judged by what it does then.
        ForgetCallsInLock(now);
        ForgetProbeInLock();
        Volatile.Write(ref _returnAt, now + _service.Ticks(length * (1 + (_service.Random.NextDouble() * jitter))));
        _reason = reason;
        CountInLock(now);
        _service.Schedule(_returnAt);
        return new HealthChange(wasIn ? HealthChangeKind.WentOut : HealthChangeKind.StaysOut, reason, length);
    }

    private HealthChange ComeBackInLock(long now, bool hasFailed = false)
    {
        var reason = _reason;
        if (IsEjected)
        {
            _service.Returned();
        }

        _connectFailures = 0;
        SetFailuresInLock(0);
        ForgetCallsInLock(now);
        ForgetProbeInLock();
        _cameBackAt = now;
        _reason = EjectionReason.None;
        CountInLock(now, hasFailed);
        return new HealthChange(HealthChangeKind.CameBack, reason);
    }

    private void CountInLock(long now, bool hasFailed = false)
    {
        var isOut = _reason != EjectionReason.None || _failsChecks;
        if (isOut != IsOut)
        {
            if (!isOut && _isListed)
            {
                // Before picks find it in.
                _vitals.StartAnew(_service.SlowStart, now, forgets: !hasFailed);
            }

            _vitals.IsOut = isOut;
            SetFailuresInLock(_failures);
            _service.Counted(isOut);
        }
    }

    private void SetFailuresInLock(int failures)
    {
        _failures = failures;
        _vitals.IsSuspect = failures > 0 || IsOut;
    }

    private CallCounts ReadInLock(long now)
    {
        _window.Succeeded(_vitals.TakeSuccesses());
        return _window.Read(now, _service.WindowTicks);
    }

    private void ForgetCallsInLock(long now)
    {
        _vitals.TakeSuccesses();
        _window.Clear(now);
    }
}
