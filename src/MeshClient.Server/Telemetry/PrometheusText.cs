using System.Globalization;
using System.Text;

namespace MeshClient.Server.Telemetry;

/// <summary>
/// The text form of metrics that Prometheus scrapes, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats):
/// dots become underscores, the unit and, for counters, <c>total</c> are put at the end of the name.
/// </summary>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(IEnumerable<MetricSeries> metrics)
    {
        var text = new StringBuilder();
        var last = string.Empty;
        foreach (var metric in metrics)
        {
            var name = NameOf(metric);
            if (name != last)
            {
                text.Append("# HELP ").Append(name).Append(' ').Append(Escape(metric.Help, quotes: false)).Append('\n');
                text.Append("# TYPE ").Append(name).Append(' ').Append(TypeOf(metric.Kind)).Append('\n');
                last = name;
            }

            if (metric.Kind == MetricKind.Histogram)
            {
                WriteHistogram(text, name, metric);
            }
            else
            {
                WriteSample(text, name, metric.Tags, null, metric.Value.Sum);
            }
        }

        return text.ToString();
    }

    private static void WriteHistogram(StringBuilder text, string name, MetricSeries metric)
    {
        var below = 0L;
        for (var i = 0; i < metric.Value.Buckets.Count; i++)
        {
            below += metric.Value.Buckets[i];
            var bound = i < metric.Value.Bounds.Count ? Number(metric.Value.Bounds[i]) : "+Inf";
            WriteSample(text, name + "_bucket", metric.Tags, bound, below);
        }

        WriteSample(text, name + "_sum", metric.Tags, null, metric.Value.Sum);
        WriteSample(text, name + "_count", metric.Tags, null, metric.Value.Count);
    }

    private static void WriteSample(
        StringBuilder text, string name, IReadOnlyList<KeyValuePair<string, string>> tags, string? bound, double value)
    {
        text.Append(name);
        var before = '{';
        foreach (var (key, tag) in tags)
        {
            text.Append(before).Append(Clean(key)).Append("=\"").Append(Escape(tag, quotes: true)).Append('"');
            before = ',';
        }

        if (bound is not null)
        {
            text.Append(before).Append("le=\"").Append(bound).Append('"');
            before = ',';
        }

        text.Append(before == '{' ? string.Empty : "}").Append(' ').Append(Number(value)).Append('\n');
    }

    private static string NameOf(MetricSeries metric)
    {
        var name = Clean(metric.Name);
        if (metric.Unit == "s" && !name.EndsWith("_seconds", StringComparison.Ordinal))
        {
            name += "_seconds";
        }
        else if (metric.Unit == "By" && !name.EndsWith("_bytes", StringComparison.Ordinal))
        {
            name += "_bytes";
        }

        return metric.Kind == MetricKind.Counter ? name + "_total" : name;
    }

    private static string TypeOf(MetricKind kind) => kind switch
    {
        MetricKind.Counter => "counter",
        MetricKind.Histogram => "histogram",
        _ => "gauge",
    };

    private static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Clean(string name) => string.Create(name.Length, name, static (clean, source) =>
    {
        for (var i = 0; i < clean.Length; i++)
        {
            clean[i] = char.IsAsciiLetterOrDigit(source[i]) ? source[i] : '_';
        }
    });

    private static string Escape(string text, bool quotes)
    {
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text;
    }
}
