using MeshClient.Configuration;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// In turn, each as often as the load it reports allows: client-side weighted round robin, gRPC A58. The weights are worked out again
/// once a second. An instance about which nothing is known gets the mean of the others; while fewer than two are known, the
/// registry's weights are used.
/// </summary>
internal sealed class ReportedLoadPicker : TurnPicker
{
    private readonly InstanceState[] _instances;
    private readonly double[] _weights;
    private readonly double[] _parts;
    private readonly TimeSpan _blackout;
    private readonly long _frequency;
    private volatile StaticStride _stride;
    private long _renewAt = long.MinValue;

    /// <param name="instances">Those that may be called.</param>
    /// <param name="weights">The registry's weights, times the parts.</param>
    /// <param name="parts">The share of each that is this caller's, when an aperture cuts one; empty: all of each.</param>
    /// <param name="slowStart">Holds back those that have just come; null: nothing does.</param>
    /// <param name="blackout">How long the first reports of an instance do not count.</param>
    /// <param name="frequency">Timestamp ticks per second.</param>
    /// <param name="random">Where the sequence begins.</param>
    public ReportedLoadPicker(
        InstanceState[] instances,
        double[] weights,
        double[] parts,
        SlowStart? slowStart,
        TimeSpan blackout,
        long frequency,
        MeshRandom random)
        : base(instances, slowStart, instances.Length)
    {
        _instances = instances;
        _weights = weights;
        _parts = parts;
        _blackout = blackout;
        _frequency = frequency;
        _stride = new StaticStride(weights, random.NextBits());
    }

    protected override int Propose(in PickCall call)
    {
        var renewAt = Volatile.Read(ref _renewAt);
        if (call.Now >= renewAt
            && Interlocked.CompareExchange(
                ref _renewAt, call.Now + (long)(MeshDefaults.ReportInterval.TotalSeconds * _frequency), renewAt) == renewAt)
        {
            _stride = new StaticStride(Weigh(call.Now), call.Random.NextBits());
        }

        return _stride.Next();
    }

    private double[] Weigh(long now)
    {
        var reported = Array.ConvertAll(_instances, instance => instance.ReportedWeight?.At(_blackout, now, _frequency) ?? 0);
        var known = reported.Count(weight => weight > 0);
        if (known < 2)
        {
            return _weights;
        }

        // Each divided before they are added up, because the sum of two great ones may be more than a number holds.
        var mean = reported.Sum(weight => weight / known);
        for (var i = 0; i < reported.Length; i++)
        {
            reported[i] = (reported[i] > 0 ? reported[i] : mean) * (_parts.Length == 0 ? 1 : _parts[i]);
        }

        return reported;
    }
}
