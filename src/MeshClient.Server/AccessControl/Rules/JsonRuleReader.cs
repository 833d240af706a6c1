using System.Collections.Immutable;
using System.Text.Json;

namespace MeshClient.Server.AccessControl.Rules;

/// <summary>Reads the JSON form of rules into the same values as the other form.</summary>
internal static class JsonRuleReader
{
    private static readonly JsonDocumentOptions Limits = new() { MaxDepth = 16 };

    /// <exception cref="RuleTextException">It is no JSON.</exception>
    public static RuleObject Read(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text, Limits);
            return Convert(document.RootElement) as RuleObject ?? throw new RuleTextException("an object was expected");
        }
        catch (JsonException e)
        {
            throw new RuleTextException($"At {e.LineNumber + 1}:{e.BytePositionInLine + 1}: invalid JSON");
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // Half of a surrogate pair.
            throw new RuleTextException("invalid JSON: a text is no valid Unicode");
        }
    }

    private static RuleValue Convert(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => new RuleObject([.. element.EnumerateObject().Select(part => new RuleItem([part.Name], Convert(part.Value)))]),
        JsonValueKind.Array => new RuleList([.. element.EnumerateArray().Select(Convert)]),
        JsonValueKind.String => new RuleWord(element.GetString()!),
        _ => new RuleWord(element.GetRawText()),
    };
}
