using MeshClient.Configuration;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Prefers the instances in this process's own zone, by <see cref="ZoneShares"/>. Draws a zone first, then has that zone's own picker
/// choose; when there is no good instance in it, the others are asked.
/// </summary>
internal sealed class ZonePicker : InstancePicker
{
    private readonly Zone[] _zones;
    private readonly int _local;
    private readonly double[] _callers;
    private readonly long _interval;
    private double[] _shares;
    private long _renewAt = long.MinValue;

    /// <param name="zones">The zones that have instances to call.</param>
    /// <param name="local">Which is this process's own.</param>
    /// <param name="callers">Each zone's share of the callers; empty: the own zone takes all it can.</param>
    /// <param name="frequency">Timestamp ticks per second.</param>
    public ZonePicker(Zone[] zones, int local, double[] callers, long frequency)
    {
        _zones = zones;
        _local = local;
        _callers = callers;
        _interval = (long)(MeshDefaults.ZoneInterval.TotalSeconds * frequency);
        _shares = ZoneShares.Of(local, Array.ConvertAll(zones, zone => zone.Instances.Length), Listed, callers);
    }

    private int[] Listed => Array.ConvertAll(_zones, zone => zone.Listed);

    public override InstanceState? TryPick(in PickCall call)
    {
        var zone = Draw(Shares(call), call.Random.NextDouble());
        for (var i = 0; i < _zones.Length; i++)
        {
            if (_zones[(zone + i) % _zones.Length].Picker.TryPick(call) is { } instance)
            {
                return instance;
            }
        }

        return null;
    }

    private int Draw(double[] shares, double at)
    {
        for (var i = 0; i < shares.Length; i++)
        {
            at -= shares[i];
            if (at < 0)
            {
                return i;
            }
        }

        return _local;
    }

    // Who is ejected changes within a list, and counting it at every pick would cost a look at each instance.
    private double[] Shares(in PickCall call)
    {
        var renewAt = Volatile.Read(ref _renewAt);
        if (call.Now < renewAt
            || Interlocked.CompareExchange(ref _renewAt, call.Now + _interval, renewAt) != renewAt)
        {
            return Volatile.Read(ref _shares);
        }

        var healthy = new int[_zones.Length];
        for (var i = 0; i < healthy.Length; i++)
        {
            foreach (var instance in _zones[i].Instances)
            {
                healthy[i] += instance.IsOut ? 0 : 1;
            }
        }

        var shares = healthy.Sum() == 0 ? _shares : ZoneShares.Of(_local, healthy, Listed, _callers);
        Volatile.Write(ref _shares, shares);
        return shares;
    }

    /// <summary>The instances of one zone.</summary>
    /// <param name="Instances">Those that may be called.</param>
    /// <param name="Picker">The picker of these.</param>
    /// <param name="Listed">How many the registry lists, those that may not be called included.</param>
    internal sealed record Zone(InstanceState[] Instances, InstancePicker Picker, int Listed);
}
