using System.Text.Json;
using System.Text.Json.Serialization;

namespace MeshClient.Consul.Model;

/// <summary>One intention in an answer of <c>intentions/match</c>.</summary>
internal sealed class IntentionDocument
{
    public string? ID { get; init; }

    public string? SourceName { get; init; }

    public string? SourcePeer { get; init; }

    public string? SourceSamenessGroup { get; init; }

    public string? DestinationName { get; init; }

    public string? Action { get; init; }

    /// <summary>Null where there are none; a null among them stays, because it must not vanish silently.</summary>
    public PermissionDocument?[]? Permissions { get; init; }

    /// <summary>Not read, only noticed.</summary>
    [JsonPropertyName("JWT")]
    public JsonElement? Jwt { get; init; }
}

/// <summary>
/// One permission. In the parts that decide about a request, unknown keys are noticed: they may narrow what the permission
/// allows.
/// </summary>
internal sealed class PermissionDocument
{
    public string? Action { get; init; }

    [JsonPropertyName("HTTP")]
    public HttpPermissionDocument? Http { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; init; }
}

internal sealed class HttpPermissionDocument
{
    public string? PathExact { get; init; }

    public string? PathPrefix { get; init; }

    public string? PathRegex { get; init; }

    public string?[]? Methods { get; init; }

    public HeaderDocument?[]? Header { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; init; }
}

internal sealed class HeaderDocument
{
    public string? Name { get; init; }

    public bool? Present { get; init; }

    public string? Exact { get; init; }

    public string? Prefix { get; init; }

    public string? Suffix { get; init; }

    public string? Contains { get; init; }

    public string? Regex { get; init; }

    public bool? Invert { get; init; }

    public bool? IgnoreCase { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; init; }
}
