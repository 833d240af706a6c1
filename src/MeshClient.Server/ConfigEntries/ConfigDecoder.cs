using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.ConfigEntries;

/// <summary>Reads config entries and brings them into their one form.</summary>
internal static class ConfigDecoder
{
    private static readonly FreeShape Anything = new();

    /// <summary>Reads an entry. Its form is right then; whether it makes sense is for <see cref="ConfigValidation"/>.</summary>
    /// <exception cref="JsonDecodeException">It is none; the sentence is Consul's.</exception>
    public static (string Kind, string Name, JsonObject Body) Decode(JsonElement element)
    {
        try
        {
            return DecodeBody(element);
        }
        catch (InvalidOperationException)
        {
            throw NoText();
        }
    }

    /// <summary>Reads a value of a form.</summary>
    /// <exception cref="JsonDecodeException">There is something in it that is no text.</exception>
    public static JsonNode? Read(ConfigShape shape, JsonElement element, ConfigProblems problems)
    {
        try
        {
            return shape.Read(element, string.Empty, problems);
        }
        catch (InvalidOperationException)
        {
            throw NoText();
        }
    }

    // Half of a surrogate pair somewhere, in a key or a value.
    private static JsonDecodeException NoText() => new("invalid surrogate pair in string");

    private static (string Kind, string Name, JsonObject Body) DecodeBody(JsonElement element)
    {
        if (element.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null))
        {
            throw new JsonDecodeException($"'' expected a map, got '{element.ValueKind switch
            {
                JsonValueKind.Array => "slice",
                JsonValueKind.Number => "float64",
                JsonValueKind.String => "string",
                _ => "bool",
            }}'");
        }

        if (element.ValueKind == JsonValueKind.Null || !(element.TryGetProperty("Kind", out var given) || element.TryGetProperty("kind", out given)))
        {
            throw new JsonDecodeException("Payload does not contain a kind/Kind key at the top level");
        }

        if (given.ValueKind != JsonValueKind.String)
        {
            throw new JsonDecodeException("Kind value in payload is not a string");
        }

        var kind = given.GetString()!;
        if (!ConfigKinds.IsKnown(kind))
        {
            throw new JsonDecodeException($"invalid config entry kind: {kind}");
        }

        var problems = new ConfigProblems();
        var body = ConfigKinds.ShapeOf(kind) is { } shape
            ? (JsonObject)shape.Read(element, string.Empty, problems)!
            : DecodeFree(element, kind);
        problems.ThrowIfAny();
        var name = body["Name"]?.GetValue<string>() ?? string.Empty;
        if (ConfigKinds.OnlyNameOf(kind) is { } only)
        {
            body.Remove("Name");
            body.Insert(body.IndexOf("Kind") + 1, "Name", name = only);
        }

        return (kind, name, body);
    }

    // Kind and name come first, and the rest as it came.
    private static JsonObject DecodeFree(JsonElement element, string kind)
    {
        var body = new JsonObject { ["Kind"] = kind, ["Name"] = string.Empty };
        foreach (var property in element.EnumerateObject())
        {
            switch (property.Name.ToLowerInvariant())
            {
                case "kind" or "createindex" or "modifyindex":
                    break;
                case "name":
                    body["Name"] = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString() : string.Empty;
                    break;
                default:
                    body[property.Name] = Anything.Read(property.Value, property.Name, new ConfigProblems());
                    break;
            }
        }

        return body;
    }
}
