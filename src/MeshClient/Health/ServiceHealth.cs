using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Core.Naming;

namespace MeshClient.Health;

/// <summary>
/// What the instances of one service have in common as to their health: how many are out, how many may be, and how each
/// compares with the others.
/// </summary>
/// <remarks>
/// Share: at most <c>MaxEjectionPercent</c> of the instances are ejected at once, but one may be when there are two or more, and
/// never the only one. Instances nobody can connect to are not in that share: nothing is gained by calling them.
/// Panic: when less than <c>PanicPercent</c> of the instances are in, ejections and health checks are ignored, because what is
/// left would be overloaded next (Envoy, panic threshold). Still out are those no connection can be made to, and those that
/// cannot prove to be the service.
/// Peers, compared when a call has failed and at most every 10 s (Envoy's outlier detection; gRPC A50): among at least 5 instances
/// with 100 late calls, one with a success rate below the mean less 1.9 standard deviations is ejected; among at least 5
/// with 50, one of which 85 % fail. The worst first, since the share may not be enough for all. Where all
/// fare alike the deviation is next to nothing, so one has to be 5 points below the mean in any case to be the odd one out.
/// </remarks>
internal sealed class ServiceHealth
{
    private static readonly TimeSpan ShortestReschedule = TimeSpan.FromMilliseconds(50);

    private readonly TimeProvider _time;
    private readonly HealthTelemetry? _telemetry;
    private readonly Lock _lock = new();
    private readonly HashSet<EjectionState> _members = [];
    private readonly long _comparisonTicks;
    private readonly long _rescheduleTicks;
    private int _out;
    private int _ejected;
    private volatile bool _isPanicking;
    private bool _toldPanic;
    private long _compareAt;
    private long _dueAt = long.MaxValue;

    /// <param name="service">The service.</param>
    /// <param name="settings">What is in force for it.</param>
    /// <param name="time">The clock.</param>
    /// <param name="random">Where chance comes from.</param>
    /// <param name="telemetry">Where changes are told; null: nowhere.</param>
    public ServiceHealth(
        ServiceName service, HealthSettings settings, TimeProvider time, MeshRandom random, HealthTelemetry? telemetry = null)
    {
        Service = service;
        Settings = settings;
        Random = random;
        _time = time;
        _telemetry = telemetry;
        _comparisonTicks = Ticks(MeshDefaults.PeerComparisonInterval);
        _rescheduleTicks = Ticks(ShortestReschedule);
        WindowTicks = Ticks(MeshDefaults.SuccessRateWindow);
    }

    public ServiceName Service { get; }

    public HealthSettings Settings { get; }

    public MeshRandom Random { get; }

    /// <summary>Holds back instances that have come back; null: nothing does.</summary>
    public SlowStart? SlowStart { get; init; }

    /// <summary>How long a call counts for the success rate, in timestamp ticks.</summary>
    public double WindowTicks { get; }

    /// <summary>How many instances are ejected.</summary>
    public int Ejected => Volatile.Read(ref _ejected);

    /// <summary>Whether any instance is out, for whatever reason.</summary>
    public bool AnyOut => Volatile.Read(ref _out) > 0;

    /// <summary>Whether so few are in that ejections and health checks are ignored.</summary>
    public bool IsPanicking => _isPanicking;

    /// <summary>How many are out for a reason.</summary>
    public int CountOut(Func<EjectionReason, bool> reason)
    {
        lock (_lock)
        {
            return _members.Count(member => reason(member.Reason));
        }
    }

    /// <summary>The present timestamp.</summary>
    public long Now => _time.GetTimestamp();

    public long Ticks(TimeSpan span) => (long)(span.TotalSeconds * _time.TimestampFrequency);

    /// <summary>Whether an instance may be waiting for its probe.</summary>
    public bool IsAnyDue(long now) => now >= Volatile.Read(ref _dueAt);

    /// <summary>An instance will wait for its probe from a moment on.</summary>
    public void Schedule(long at)
    {
        lock (_lock)
        {
            Volatile.Write(ref _dueAt, Math.Min(_dueAt, at));
        }
    }

    /// <summary>Looks again when the next instance will wait for its probe, after one was found or none of those looked at.</summary>
    public void Reschedule(long now)
    {
        lock (_lock)
        {
            var next = _members.Count == 0 ? long.MaxValue : _members.Min(member => member.DueAt);
            // One that is due and was not found is in no list of the calls of now; they are not to look at each of theirs every time.
            Volatile.Write(ref _dueAt, Math.Max(next, now + _rescheduleTicks));
        }
    }

    /// <summary>An instance is there; in, until something is known against it.</summary>
    public void Join(EjectionState member)
    {
        lock (_lock)
        {
            _members.Add(member);
            JudgePanicInLock();
        }
    }

    /// <summary>An instance is gone, or the registry itself calls it unfit. It has given back its places before.</summary>
    public void Leave(EjectionState member)
    {
        lock (_lock)
        {
            _members.Remove(member);
            JudgePanicInLock();
        }
    }

    /// <summary>Takes a place among the ejected, if one is free.</summary>
    public bool TryEject()
    {
        lock (_lock)
        {
            var instances = _members.Count;
            var percent = Settings.MaxEjectionPercent;
            if (instances < 2 || percent == 0 || _ejected >= Math.Max(1, instances * percent / 100))
            {
                return false;
            }

            Volatile.Write(ref _ejected, _ejected + 1);
            return true;
        }
    }

    /// <summary>Gives a place among the ejected back.</summary>
    public void Returned()
    {
        lock (_lock)
        {
            Volatile.Write(ref _ejected, _ejected - 1);
        }
    }

    /// <summary>An instance that was in is out, or the other way round.</summary>
    public void Counted(bool isOut)
    {
        lock (_lock)
        {
            Volatile.Write(ref _out, _out + (isOut ? 1 : -1));
            JudgePanicInLock();
        }
    }

    /// <summary>Tells those who listen of a change. Outside of all locks, because what listens is not ours.</summary>
    public void Tell(EjectionState member, in HealthChange change)
    {
        if (_telemetry is null || change.Kind == HealthChangeKind.None)
        {
            return;
        }

        _telemetry.Changed(Service, member.Name, change);
        bool isPanicking;
        lock (_lock)
        {
            isPanicking = _isPanicking;
            if (_toldPanic == isPanicking)
            {
                return;
            }

            _toldPanic = isPanicking;
        }

        _telemetry.PanicChanged(Service, isPanicking, Settings.PanicPercent);
    }

    /// <summary>Whether the peers of an instance are worth comparing with, and none of them is above the limit either.</summary>
    public bool ArePeersNoBetter(EjectionState member, double limit, long now)
    {
        var compared = 0;
        foreach (var peer in Members())
        {
            if (!ReferenceEquals(peer, member) && peer.Reason == EjectionReason.None
                && peer.Read(now) is { Calls: >= MeshDefaults.SuccessRateMinCalls } counts)
            {
                if (counts.SuccessRate >= limit)
                {
                    return false;
                }

                compared++;
            }
        }

        return compared > 0;
    }

    /// <summary>Compares the instances with each other, if it is time to.</summary>
    public void CompareIfDue(long now)
    {
        var due = Volatile.Read(ref _compareAt);
        if (now < due || Interlocked.CompareExchange(ref _compareAt, now + _comparisonTicks, due) != due)
        {
            return;
        }

        var all = Members().Where(member => member.Reason == EjectionReason.None)
            .Select(member => (Member: member, Counts: member.Read(now))).ToList();
        var outliers = Outliers(all).Concat(Failing(all)).OrderBy(one => one.Rate);
        foreach (var (member, reason, _) in outliers)
        {
            member.Eject(reason, now);
        }
    }

    private IEnumerable<(EjectionState Member, EjectionReason Reason, double Rate)> Outliers(
        List<(EjectionState Member, CallCounts Counts)> all)
    {
        var judged = all.Where(one => one.Counts.Calls >= MeshDefaults.OutlierMinCalls).ToList();
        if (Settings.OutlierDeviation <= 0 || judged.Count < MeshDefaults.OutlierMinInstances)
        {
            return [];
        }

        var mean = judged.Average(one => one.Counts.SuccessRate);
        var deviation = Math.Sqrt(judged.Average(one => Math.Pow(one.Counts.SuccessRate - mean, 2)));
        var limit = mean - Math.Max(deviation * Settings.OutlierDeviation, MeshDefaults.OutlierMinDifference);
        return judged.Where(one => one.Counts.SuccessRate < limit)
            .Select(one => (one.Member, EjectionReason.Outlier, one.Counts.SuccessRate));
    }

    private IEnumerable<(EjectionState Member, EjectionReason Reason, double Rate)> Failing(
        List<(EjectionState Member, CallCounts Counts)> all)
    {
        var judged = all.Where(one => one.Counts.Calls >= MeshDefaults.FailurePercentageMinCalls).ToList();
        var limit = 1 - (Settings.FailurePercentage / 100);
        return Settings.FailurePercentage <= 0 || judged.Count < MeshDefaults.OutlierMinInstances
            ? []
            : judged.Where(one => one.Counts.SuccessRate <= limit)
                .Select(one => (one.Member, EjectionReason.FailurePercentage, one.Counts.SuccessRate));
    }

    private EjectionState[] Members()
    {
        lock (_lock)
        {
            return [.. _members];
        }
    }

    private void JudgePanicInLock() =>
        _isPanicking = (_members.Count - _out) * 100 < Settings.PanicPercent * _members.Count;
}
