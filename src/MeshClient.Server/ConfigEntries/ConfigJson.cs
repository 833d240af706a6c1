using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>Reads entries in their one form, in which names are exact and values have the right type.</summary>
internal static class ConfigJson
{
    public static string ToText(JsonNode node) => JsonAnswer.ToText(writer => node.WriteTo(writer));

    /// <summary>A part of an object; undefined when it is not there.</summary>
    public static JsonElement Part(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var part) ? part : default;

    public static bool Exists(this JsonElement element) => element.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);

    public static string Text(this JsonElement element, string name) =>
        element.Part(name) is { ValueKind: JsonValueKind.String } part ? part.GetString()! : string.Empty;

    public static bool Flag(this JsonElement element, string name) => element.Part(name).ValueKind == JsonValueKind.True;

    public static GoDuration Duration(this JsonElement element, string name) =>
        GoDuration.TryParse(element.Text(name), out var duration, out _) ? duration : default;

    public static IEnumerable<JsonElement> Items(this JsonElement element, string name) =>
        element.Part(name) is { ValueKind: JsonValueKind.Array } part ? part.EnumerateArray() : [];

    public static IEnumerable<string> Texts(this JsonElement element, string name) =>
        element.Items(name).Select(item => item.GetString()!);

    public static IEnumerable<JsonProperty> Pairs(this JsonElement element, string name) =>
        element.Part(name) is { ValueKind: JsonValueKind.Object } part ? part.EnumerateObject() : [];

    /// <summary>The part as it is to be given back; null when it is not there.</summary>
    public static string? Json(this JsonElement element, string name) =>
        element.Part(name) is var part && part.Exists() ? part.GetRawText() : null;

    /// <summary>Writes JSON that was kept as text, in the form this answer has.</summary>
    public static void WriteStored(this Utf8JsonWriter writer, string json)
    {
        using var document = JsonDocument.Parse(json);
        document.RootElement.WriteTo(writer);
    }
}
