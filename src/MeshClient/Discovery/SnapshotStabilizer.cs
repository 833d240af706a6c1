using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Discovery;

/// <summary>
/// Keeps instances for a while that have vanished from a list which may be incomplete. A registry that was restarted without
/// its memory lists nobody until the services have registered again, and one that has just come back may list a part; to
/// believe it would take down what works. One per service.
/// </summary>
/// <remarks>
/// A vanished instance is kept when the new list is empty, or came within the grace period after the registry was away; and
/// only if it was not critical when last listed, for an instance that leaves in order goes into maintenance first. It is kept
/// for the grace period, and not a moment longer than it takes to be listed again. What is kept is judged by the calls to it
/// like any other: if it is really gone, connecting fails and another is tried. Finagle does the same against flaky name
/// servers (com.twitter.finagle.addr.StabilizingAddr), with its grace tied to what is known of health.
/// </remarks>
internal sealed class SnapshotStabilizer(TimeSpan grace, TimeProvider time)
{
    private readonly long _graceTicks = (long)(grace.TotalSeconds * time.TimestampFrequency);
    private readonly Dictionary<InstanceId, (ServiceInstance Instance, long Until)> _kept = [];
    private ServiceSnapshot? _listed;
    private long? _cameBackAt;

    /// <summary>Takes in a list.</summary>
    /// <param name="snapshot">What the registry says; the same again when only time has passed.</param>
    /// <param name="cameBack">Whether this is its first word after it was away.</param>
    /// <param name="nextExpiry">When to ask again because a kept instance is to be dropped; null: no need.</param>
    /// <returns>What to go by.</returns>
    public ServiceSnapshot Stabilize(ServiceSnapshot snapshot, bool cameBack, out TimeSpan? nextExpiry)
    {
        var now = time.GetTimestamp();
        if (cameBack)
        {
            _cameBackAt = now;
        }

        var listed = snapshot.Instances.Select(instance => instance.Id).ToHashSet();
        if (snapshot.Instances.Count == 0 || now - _cameBackAt <= _graceTicks)
        {
            foreach (var instance in _listed?.Instances ?? [])
            {
                if (!listed.Contains(instance.Id) && instance.Health != InstanceHealth.Critical)
                {
                    _kept.TryAdd(instance.Id, (instance, now + _graceTicks));
                }
            }
        }

        foreach (var id in _kept.Where(pair => listed.Contains(pair.Key) || pair.Value.Until <= now).Select(pair => pair.Key).ToList())
        {
            _kept.Remove(id);
        }

        _listed = snapshot;
        nextExpiry = _kept.Count == 0 ? null : time.GetElapsedTime(now, _kept.Values.Min(kept => kept.Until));
        return _kept.Count == 0
            ? snapshot
            : snapshot with { Instances = EquatableArray.From(snapshot.Instances.Concat(_kept.Values.Select(kept => kept.Instance))) };
    }
}
