using System.Globalization;
using System.Text.Json.Nodes;

namespace MeshClient.Tool.Registry;

/// <summary>Reads parts of answers that may be missing, null or of another type.</summary>
internal static class JsonText
{
    /// <summary>A text or number as text; empty when it is not there.</summary>
    public static string Text(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        var found = Find(node, path);
        return found is JsonValue value ? value.TryGetValue<string>(out var text) ? text : value.ToString() : string.Empty;
    }

    /// <summary>A whole number; 0 when it is not there.</summary>
    public static long Number(this JsonNode? node, params ReadOnlySpan<string> path) =>
        long.TryParse(node.Text(path), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : 0;

    /// <summary>A truth; false when it is not there.</summary>
    public static bool Flag(this JsonNode? node, params ReadOnlySpan<string> path) =>
        Find(node, path) is JsonValue value && value.TryGetValue<bool>(out var flag) && flag;

    /// <summary>The objects of a list; none when it is not there.</summary>
    public static IEnumerable<JsonObject> Objects(this JsonNode? node, params ReadOnlySpan<string> path) =>
        (Find(node, path) as JsonArray)?.OfType<JsonObject>() ?? [];

    /// <summary>The texts of a list, joined by commas.</summary>
    public static string List(this JsonNode? node, params ReadOnlySpan<string> path) =>
        Find(node, path) is JsonArray list
            ? string.Join(",", list.Select(one => one.Text()).Order(StringComparer.Ordinal))
            : string.Empty;

    private static JsonNode? Find(JsonNode? node, ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            node = (node as JsonObject)?[name];
        }

        return node;
    }
}
