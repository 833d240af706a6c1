using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace MeshClient.Consul.Model;

/// <summary>
/// Reads a map for which null or <c>[]</c> may stand when it is empty; entries that are null are left out. Ordered by key.
/// </summary>
internal sealed class LenientMapConverter<T> : JsonConverter<IReadOnlyDictionary<string, T>>
{
    private static readonly IReadOnlyDictionary<string, T> Empty = new SortedDictionary<string, T>(StringComparer.Ordinal);

    /// <inheritdoc/>
    public override bool HandleNull => true;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return Empty;
            case JsonTokenType.StartArray:
                return reader.Read() && reader.TokenType == JsonTokenType.EndArray ? Empty : throw new JsonException("Not a map.");
            case JsonTokenType.StartObject:
                break;
            default:
                throw new JsonException("Not a map.");
        }

        var type = (JsonTypeInfo<T>)options.GetTypeInfo(typeof(T));
        var map = new SortedDictionary<string, T>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (JsonSerializer.Deserialize(ref reader, type) is { } value)
            {
                map[key] = value;
            }
        }

        return map;
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, IReadOnlyDictionary<string, T> value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        var type = (JsonTypeInfo<T>)options.GetTypeInfo(typeof(T));
        foreach (var (key, item) in value)
        {
            writer.WritePropertyName(key);
            JsonSerializer.Serialize(writer, item, type);
        }

        writer.WriteEndObject();
    }
}
