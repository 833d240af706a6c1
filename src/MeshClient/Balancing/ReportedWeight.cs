using MeshClient.Configuration;

namespace MeshClient.Balancing;

/// <summary>
/// The weight of an instance by its own reports (gRPC A58): calls a second divided by the share of its capacity they take, which is
/// how many it could serve at full load. Errors count as load: <c>qps / (utilization + eps / qps * penalty)</c>.
/// </summary>
/// <remarks>
/// Reports of the first while say little, since load has yet to settle: they count only after the blackout. Without a report for
/// <see cref="MeshDefaults.ReportExpiry"/> nothing is known any more, and a blackout begins anew. The fields are written
/// without a lock: two reports at once are of the same moment, and either will do.
/// </remarks>
internal sealed class ReportedWeight
{
    private double _weight;
    private long _since = long.MinValue;
    private long _last = long.MinValue;

    /// <summary>Takes in a report; one that does not tell the calls a second, or numbers without sense, says nothing about capacity.</summary>
    /// <param name="report">The report.</param>
    /// <param name="now">The present timestamp.</param>
    /// <param name="frequency">Timestamp ticks per second.</param>
    public void Observe(in LoadReport report, long now, long frequency)
    {
        if (report.CallsPerSecond <= 0)
        {
            return;
        }

        var load = report.Utilization + (report.ErrorsPerSecond / report.CallsPerSecond * MeshDefaults.ReportErrorPenalty);
        var weight = report.CallsPerSecond / load;
        // What is beyond all numbers is no measure: of any other weight it would leave nothing.
        if (!double.IsFinite(weight) || weight <= 0)
        {
            return;
        }

        if (Volatile.Read(ref _last) == long.MinValue || IsExpired(now, frequency))
        {
            Volatile.Write(ref _since, now);
        }

        Volatile.Write(ref _weight, weight);
        Volatile.Write(ref _last, now);
    }

    /// <summary>The weight; 0 when nothing is known.</summary>
    /// <param name="blackout">How long the first reports do not count.</param>
    /// <param name="now">The present timestamp.</param>
    /// <param name="frequency">Timestamp ticks per second.</param>
    public double At(TimeSpan blackout, long now, long frequency) =>
        Volatile.Read(ref _last) == long.MinValue
        || IsExpired(now, frequency)
        || now - Volatile.Read(ref _since) < blackout.TotalSeconds * frequency
            ? 0
            : Volatile.Read(ref _weight);

    private bool IsExpired(long now, long frequency) =>
        now - Volatile.Read(ref _last) >= MeshDefaults.ReportExpiry.TotalSeconds * frequency;
}
