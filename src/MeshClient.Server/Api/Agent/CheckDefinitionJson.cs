using System.Text;
using System.Text.Json;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.Api.Agent;

/// <summary>
/// The definition of a check that was registered in the catalog: not acted on here, but given back in Consul's form, for those
/// who do act on it.
/// </summary>
internal static class CheckDefinitionJson
{
    private static readonly string[] Durations = ["Interval", "Timeout", "DeregisterCriticalServiceAfter"];
    private static readonly string[] Texts = ["HTTP", "Method", "Body", "TCP", "UDP", "GRPC", "H2PING", "OSService", "TLSServerName"];
    private static readonly string[] Flags = ["TLSSkipVerify", "TCPUseTLS", "GRPCUseTLS", "H2PingUseTLS", "DisableRedirects"];

    /// <summary>Checks a definition and writes it as it is given back: what is set, durations as text.</summary>
    /// <returns>The type of check it makes, null for none that is known; and the JSON, empty for nothing.</returns>
    /// <exception cref="JsonDecodeException">It is wrong.</exception>
    public static (string? Type, string Json) Normalize(JsonField definition)
    {
        // In the order of the names above, which is Consul's.
        var parts = new SortedDictionary<int, (string Name, Action<Utf8JsonWriter> Write)>();
        string? type = null;
        foreach (var field in definition.Fields())
        {
            var key = field.Key.Replace("_", string.Empty, StringComparison.Ordinal);
            key = key.EndsWith("duration", StringComparison.Ordinal) ? key[..^"duration".Length] : key;
            if (Find(Durations, key) is >= 0 and var duration)
            {
                var span = field.Duration();
                if (span != TimeSpan.Zero)
                {
                    parts[duration] = (Durations[duration], writer => writer.WriteStringValue(GoDuration.From(span).ToString()));
                }
            }
            else if (Find(Texts, key) is >= 0 and var text)
            {
                var value = field.Text();
                if (value.Length > 0)
                {
                    parts[100 + text] = (Texts[text], writer => writer.WriteStringValue(value));
                    type = TypeOf(Texts[text]) ?? type;
                }
            }
            else if (Find(Flags, key) is >= 0 and var flag)
            {
                if (field.Flag())
                {
                    parts[200 + flag] = (Flags[flag], static writer => writer.WriteBooleanValue(true));
                }
            }
            else if (key == "header")
            {
                field.Fields().ToList().ForEach(header => header.Texts());
                if (field.Value.ValueKind == JsonValueKind.Object && field.Json() is { } json and not "{}")
                {
                    parts[300] = ("Header", writer => writer.WriteRawValue(json));
                }
            }
            else
            {
                throw field.Unknown();
            }
        }

        return (type, Write(parts));
    }

    private static int Find(string[] names, string key) =>
        Array.FindIndex(names, name => string.Equals(name, key, StringComparison.OrdinalIgnoreCase));

    private static string? TypeOf(string name) => name switch
    {
        "HTTP" or "TCP" or "UDP" or "GRPC" or "H2PING" => name.ToLowerInvariant(),
        _ => null,
    };

    private static string Write(SortedDictionary<int, (string Name, Action<Utf8JsonWriter> Write)> parts)
    {
        if (parts.Count == 0)
        {
            return string.Empty;
        }

        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, JsonAnswer.Compact))
        {
            writer.WriteStartObject();
            foreach (var (name, write) in parts.Values)
            {
                writer.WritePropertyName(name);
                write(writer);
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }
}
