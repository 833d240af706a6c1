using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MeshClient.Tool.Registry;

/// <summary>What a registry answered.</summary>
/// <param name="Status">The status.</param>
/// <param name="Body">The body as it came.</param>
/// <param name="Index">The index to wait on; 0 when there is none.</param>
/// <param name="DefaultPolicy">What it does when no intention matches, <c>allow</c> or <c>deny</c>; null when it does not say.</param>
/// <param name="Date">Its clock; null when it does not say.</param>
internal sealed record RegistryAnswer(HttpStatusCode Status, byte[] Body, ulong Index, string? DefaultPolicy, DateTimeOffset? Date)
{
    public bool IsSuccess => (int)Status is >= 200 and < 300;

    public string Text => Encoding.UTF8.GetString(Body).Trim();

    /// <summary>The body as JSON; null for an empty one or <c>null</c>.</summary>
    /// <exception cref="ToolException">It is none, so what answered is no registry.</exception>
    public JsonNode? Json()
    {
        try
        {
            return Body.Length == 0 ? null : JsonNode.Parse(Body);
        }
        catch (JsonException e)
        {
            throw new ToolException(
                ExitCodes.Failed, "What answered did not answer with JSON: is --address the address of a registry?", e);
        }
    }

    /// <summary>The objects of a list; none for null.</summary>
    public IEnumerable<JsonObject> Objects() => (Json() as JsonArray)?.OfType<JsonObject>() ?? [];
}
