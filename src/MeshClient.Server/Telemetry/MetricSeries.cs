namespace MeshClient.Server.Telemetry;

/// <summary>What kind of thing is measured.</summary>
internal enum MetricKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>One instrument with one set of tags, and what was measured since the server began.</summary>
internal sealed record MetricSeries(
    string Name, string Unit, string Help, MetricKind Kind, IReadOnlyList<KeyValuePair<string, string>> Tags, MetricValue Value);

/// <summary>A sum or last value, and for histograms also how the values lie.</summary>
/// <param name="Sum">The sum of a counter or histogram; the last value of a gauge.</param>
/// <param name="Count">How often it was measured.</param>
/// <param name="Min">The least value.</param>
/// <param name="Max">The greatest value.</param>
/// <param name="SumOfSquares">For the standard deviation.</param>
/// <param name="Bounds">The upper bounds of the buckets, without the last, which has none.</param>
/// <param name="Buckets">How many values are in each bucket.</param>
internal sealed record MetricValue(
    double Sum, long Count, double Min, double Max, double SumOfSquares, IReadOnlyList<double> Bounds, IReadOnlyList<long> Buckets);
