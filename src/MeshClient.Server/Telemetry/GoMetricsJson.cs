using System.Globalization;
using System.Text.Json;

namespace MeshClient.Server.Telemetry;

/// <summary>Metrics in the JSON form of Consul's <c>/v1/agent/metrics</c> (github.com/hashicorp/go-metrics, MetricsSummary).</summary>
/// <remarks>Consul tells of the last ten seconds; here it is everything since the start, and <c>Rate</c> is 0.</remarks>
internal static class GoMetricsJson
{
    public static void Write(Utf8JsonWriter writer, IReadOnlyList<MetricSeries> metrics, DateTimeOffset now)
    {
        writer.WriteStartObject();
        writer.WriteString("Timestamp", now.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss '+0000 UTC'", CultureInfo.InvariantCulture));
        writer.WriteStartArray("Gauges");
        foreach (var metric in metrics.Where(metric => metric.Kind == MetricKind.Gauge))
        {
            writer.WriteStartObject();
            writer.WriteString("Name", metric.Name);
            writer.WriteNumber("Value", metric.Value.Sum);
            WriteLabels(writer, metric);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartArray("Points");
        writer.WriteEndArray();
        WriteSamples(writer, "Counters", metrics, MetricKind.Counter);
        WriteSamples(writer, "Samples", metrics, MetricKind.Histogram);
        writer.WriteEndObject();
    }

    private static void WriteSamples(Utf8JsonWriter writer, string name, IEnumerable<MetricSeries> metrics, MetricKind kind)
    {
        writer.WriteStartArray(name);
        foreach (var metric in metrics.Where(metric => metric.Kind == kind && metric.Value.Count > 0))
        {
            var value = metric.Value;
            var mean = value.Sum / value.Count;
            writer.WriteStartObject();
            writer.WriteString("Name", metric.Name);
            writer.WriteNumber("Count", value.Count);
            writer.WriteNumber("Rate", 0);
            writer.WriteNumber("Sum", value.Sum);
            writer.WriteNumber("Min", value.Min);
            writer.WriteNumber("Max", value.Max);
            writer.WriteNumber("Mean", mean);
            writer.WriteNumber("Stddev", Math.Sqrt(Math.Max(0, (value.SumOfSquares / value.Count) - (mean * mean))));
            WriteLabels(writer, metric);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteLabels(Utf8JsonWriter writer, MetricSeries metric)
    {
        writer.WriteStartObject("Labels");
        foreach (var (key, value) in metric.Tags)
        {
            writer.WriteString(key, value);
        }

        writer.WriteEndObject();
    }
}
