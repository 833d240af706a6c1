using System.Text.Json;
using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Core.Naming;

namespace MeshClient.Restart;

/// <summary>How value types are written: as the text they are read from.</summary>
internal static class SavedConverters
{
    public sealed class ServiceNameConverter : JsonConverter<ServiceName>
    {
        public override ServiceName Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.GetString() is { Length: > 0 } text ? ServiceName.Parse(text) : default;

        public override void Write(Utf8JsonWriter writer, ServiceName value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);
    }

    public sealed class InstanceIdConverter : JsonConverter<InstanceId>
    {
        public override InstanceId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(reader.GetString() ?? string.Empty);

        public override void Write(Utf8JsonWriter writer, InstanceId value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);
    }

    public sealed class SpiffeIdConverter : JsonConverter<SpiffeId>
    {
        public override SpiffeId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            SpiffeId.Parse(reader.GetString() ?? string.Empty);

        public override void Write(Utf8JsonWriter writer, SpiffeId value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }

    public sealed class EquatableArrayConverter<T> : JsonConverter<EquatableArray<T>>
    {
        public override EquatableArray<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            EquatableArray.From((T[])(JsonSerializer.Deserialize(ref reader, options.GetTypeInfo(typeof(T[]))) ?? throw new JsonException()));

        public override void Write(Utf8JsonWriter writer, EquatableArray<T> value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.AsSpan().ToArray(), options.GetTypeInfo(typeof(T[])));
    }
}
