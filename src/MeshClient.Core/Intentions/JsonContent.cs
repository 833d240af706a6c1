using System.Text.Json;

namespace MeshClient.Core.Intentions;

/// <summary>Whether a part of a document says anything: Go writes parts that are not set as null, "", false, 0, [] or {}.</summary>
internal static class JsonContent
{
    public static bool IsAny(JsonElement? element) => element is { } value && value.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.String => value.GetRawText() != "\"\"",
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => value.GetRawText() != "0",
    };

    public static bool IsAny(Dictionary<string, JsonElement>? unknown) =>
        unknown is not null && unknown.Values.Any(value => IsAny(value));
}
