using System.Buffers.Binary;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;

namespace MeshClient.Balancing;

/// <summary>
/// What an instance tells about its own load along with an answer: an ORCA load report (Open Request Cost Aggregation; xds
/// data/orca/v3/orca_load_report.proto; gRPC A51), in the headers or the trailers of the answer.
/// </summary>
/// <remarks>
/// Three forms, as Envoy (source/common/orca) and gRPC write them:
/// <c>endpoint-load-metrics: cpu_utilization=0.3, rps_fractional=100</c>, also with <c>:</c> for <c>=</c>, <c>TEXT</c> before it, or
/// with <c>JSON</c> and an object; <c>endpoint-load-metrics-json</c> with the object alone; <c>endpoint-load-metrics-bin</c> with the
/// message in base 64. Fields that are not used are skipped, and a report that cannot be read is none: a measure that is
/// missing must not fail a call.
/// </remarks>
/// <param name="Utilization">
/// The share of its capacity in use: what the application says, else the processor's; more than 1 is overload. 0: not told.
/// </param>
/// <param name="CallsPerSecond">Calls it serves a second, from all callers. 0: not told.</param>
/// <param name="ErrorsPerSecond">Errors it answers with a second. 0: none, or not told.</param>
internal readonly record struct LoadReport(double Utilization, double CallsPerSecond, double ErrorsPerSecond)
{
    private const string TextHeader = "endpoint-load-metrics";
    private const string JsonHeader = "endpoint-load-metrics-json";
    private const string BinaryHeader = "endpoint-load-metrics-bin";

    /// <summary>Reads the report of an answer whose body has been read: the trailers', else the headers'.</summary>
    public static bool TryRead(HttpResponseMessage response, out LoadReport report) =>
        TryRead(response.TrailingHeaders, out report) || TryRead(response.Headers, out report);

    /// <summary>Reads the report of a set of headers.</summary>
    public static bool TryRead(HttpHeaders headers, out LoadReport report)
    {
        var values = headers.NonValidated;
        if (values.TryGetValues(TextHeader, out var text))
        {
            return TryReadText(text.ToString(), out report);
        }

        if (values.TryGetValues(JsonHeader, out var json))
        {
            return TryReadJson(json.ToString(), out report);
        }

        if (values.TryGetValues(BinaryHeader, out var binary))
        {
            return TryReadBase64(binary.ToString(), out report);
        }

        report = default;
        return false;
    }

    /// <summary>Reads the value of <c>endpoint-load-metrics</c>.</summary>
    public static bool TryReadText(ReadOnlySpan<char> text, out LoadReport report)
    {
        text = text.Trim();
        if (text.StartsWith("JSON ", StringComparison.Ordinal))
        {
            return TryReadJson(text[5..].ToString(), out report);
        }

        if (text.StartsWith("BIN ", StringComparison.Ordinal))
        {
            return TryReadBase64(text[4..], out report);
        }

        if (text.StartsWith("TEXT ", StringComparison.Ordinal))
        {
            text = text[5..];
        }

        var fields = new Fields();
        foreach (var range in text.Split(','))
        {
            var pair = text[range].Trim();
            var mark = pair.IndexOfAny('=', ':');
            if (mark > 0 && double.TryParse(pair[(mark + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
            {
                fields.Set(pair[..mark].Trim(), value);
            }
        }

        return fields.TryMake(out report);
    }

    /// <summary>Reads the JSON form.</summary>
    public static bool TryReadJson(string json, out LoadReport report)
    {
        var fields = new Fields();
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                foreach (var property in document.RootElement.EnumerateObject())
                {
                    if (property.Value.ValueKind == JsonValueKind.Number && property.Value.TryGetDouble(out var value))
                    {
                        fields.Set(property.Name, value);
                    }
                }
            }
        }
        catch (JsonException)
        {
            report = default;
            return false;
        }

        return fields.TryMake(out report);
    }

    /// <summary>Reads the binary form, a Protocol Buffers message.</summary>
    public static bool TryReadBinary(ReadOnlySpan<byte> message, out LoadReport report)
    {
        report = default;
        var fields = new Fields();
        while (!message.IsEmpty)
        {
            if (!TryReadVarint(ref message, out var tag))
            {
                return false;
            }

            switch (tag & 7)
            {
                case 0 when TryReadVarint(ref message, out var whole):
                    if (tag >> 3 == 3)
                    {
                        fields.WholeCallsPerSecond = whole;
                    }

                    break;
                case 1 when message.Length >= 8:
                    fields.Set(tag >> 3, BinaryPrimitives.ReadDoubleLittleEndian(message));
                    message = message[8..];
                    break;
                case 2 when TryReadVarint(ref message, out var length) && length <= (ulong)message.Length:
                    message = message[(int)length..];
                    break;
                case 5 when message.Length >= 4:
                    message = message[4..];
                    break;
                default:
                    return false;
            }
        }

        return fields.TryMake(out report);
    }

    // gRPC leaves out the padding.
    private static bool TryReadBase64(ReadOnlySpan<char> text, out LoadReport report)
    {
        text = text.Trim().TrimEnd('=');
        var padded = string.Concat(text, new string('=', (4 - (text.Length % 4)) % 4));
        Span<byte> bytes = padded.Length <= 4096 ? stackalloc byte[4096] : new byte[padded.Length];
        report = default;
        return Convert.TryFromBase64String(padded, bytes, out var written) && TryReadBinary(bytes[..written], out report);
    }

    private static bool TryReadVarint(ref ReadOnlySpan<byte> message, out ulong value)
    {
        value = 0;
        for (var shift = 0; shift < 64 && !message.IsEmpty; shift += 7)
        {
            var one = message[0];
            message = message[1..];
            value |= (ulong)(one & 0x7F) << shift;
            if (one < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    private struct Fields
    {
        private double _cpu;
        private double _application;
        private double _callsPerSecond;
        private double _errorsPerSecond;

        // The older field for the calls, which counts only while the newer one is not there.
        public double WholeCallsPerSecond { get; set; }

        public void Set(ReadOnlySpan<char> name, double value)
        {
            switch (name)
            {
                case "cpu_utilization" or "cpuUtilization": _cpu = value; break;
                case "application_utilization" or "applicationUtilization": _application = value; break;
                case "rps_fractional" or "rpsFractional": _callsPerSecond = value; break;
                case "rps": WholeCallsPerSecond = value; break;
                case "eps": _errorsPerSecond = value; break;
                default: break;
            }
        }

        public void Set(ulong field, double value)
        {
            switch (field)
            {
                case 1: _cpu = value; break;
                case 6: _callsPerSecond = value; break;
                case 7: _errorsPerSecond = value; break;
                case 9: _application = value; break;
                default: break;
            }
        }

        public readonly bool TryMake(out LoadReport report)
        {
            report = new LoadReport(
                _application > 0 ? _application : _cpu, _callsPerSecond > 0 ? _callsPerSecond : WholeCallsPerSecond, _errorsPerSecond);
            return IsMeasure(report.Utilization) && IsMeasure(report.CallsPerSecond) && IsMeasure(report.ErrorsPerSecond)
                && report.Utilization > 0;
        }

        private static bool IsMeasure(double value) => double.IsFinite(value) && value >= 0;
    }
}
