using MeshClient.Configuration;

namespace MeshClient.Health;

/// <summary>
/// Whether one instance is left out because its calls failed. One per instance, fed by every call to it.
/// </summary>
/// <remarks>
/// In: calls come; each success sets the count of failures back to 0; the fifth failure in a row ejects, if the service's
/// <see cref="EjectionQuota"/> lets it.
/// Out: no calls come, for 30 s times the number of ejections so far, at most 300 s, plus up to a tenth at random.
/// Probing: after that, exactly one call is let through as a probe. Success puts the instance back in and takes one off the
/// number of ejections, so the next lasts as long as this one; failure ejects it for longer. A probe that never reports (its caller gave up) frees the place for another after the base time.
/// The numbers are Envoy's outlier detection; the single real call as a probe is Finagle's and Linkerd's.
/// </remarks>
internal sealed class EjectionState(EjectionQuota quota, TimeProvider time, MeshRandom random)
{
    private readonly Lock _lock = new();
    private int _failures;
    private int _ejections;
    private bool _out;
    private bool _removed;
    private long _returnAt;
    private long _probeUntil;

    /// <summary>Whether it is ejected, a probe included.</summary>
    public bool IsEjected => Volatile.Read(ref _out);

    /// <summary>Whether a call may be sent: in, or out and due for a probe.</summary>
    public bool IsIn(long now) =>
        !Volatile.Read(ref _out) || (now >= Volatile.Read(ref _returnAt) && now >= Volatile.Read(ref _probeUntil));

    /// <summary>Asks to send a call.</summary>
    /// <returns><see cref="Admission.Refused"/> when another call took the probe's place since <see cref="IsIn"/> was asked.</returns>
    public Admission TryEnter(long now)
    {
        if (!Volatile.Read(ref _out))
        {
            return Admission.Ordinary;
        }

        lock (_lock)
        {
            if (!_out)
            {
                return Admission.Ordinary;
            }

            if (now < _returnAt || now < _probeUntil)
            {
                return Admission.Refused;
            }

            _probeUntil = now + Ticks(MeshDefaults.BaseEjection);
            return Admission.Probe;
        }
    }

    /// <summary>A call succeeded.</summary>
    public void Succeeded(Admission admission)
    {
        if (Volatile.Read(ref _failures) == 0 && !Volatile.Read(ref _out))
        {
            return;
        }

        lock (_lock)
        {
            _failures = 0;
            // A call sent before the ejection proves nothing about now; only the probe readmits.
            if (_out && admission == Admission.Probe)
            {
                _out = false;
                _probeUntil = 0;
                _ejections = Math.Max(0, _ejections - 1);
                quota.Returned();
            }
        }
    }

    /// <summary>A call failed.</summary>
    public void Failed(Admission admission, long now)
    {
        lock (_lock)
        {
            // A call may outlast the instance; a place it took in the quota would never be given back.
            if (_removed)
            {
                return;
            }

            _failures++;
            if (_out)
            {
                if (admission == Admission.Probe)
                {
                    Eject(now);
                }
            }
            else if (_failures >= MeshDefaults.ConsecutiveFailures && quota.TryEject())
            {
                Eject(now);
            }
        }
    }

    /// <summary>The instance is gone from the registry; its share of the quota is free again.</summary>
    public void Removed()
    {
        lock (_lock)
        {
            _removed = true;
            if (_out)
            {
                _out = false;
                quota.Returned();
            }
        }
    }

    private void Eject(long now)
    {
        _ejections++;
        _failures = 0;
        _probeUntil = 0;
        var length = Math.Min(
            MeshDefaults.BaseEjection.TotalSeconds * _ejections, MeshDefaults.MaxEjection.TotalSeconds);
        Volatile.Write(ref _returnAt, now + Ticks(TimeSpan.FromSeconds(length * (1 + (random.NextDouble() * MeshDefaults.EjectionJitter)))));
        Volatile.Write(ref _out, true);
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}

/// <summary>On what terms a call is sent to an instance.</summary>
internal enum Admission
{
    /// <summary>Not at all, unless every other instance is out too.</summary>
    Refused,

    /// <summary>Like any other.</summary>
    Ordinary,

    /// <summary>To find out whether the instance may come back.</summary>
    Probe,
}
