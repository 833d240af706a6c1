using System.Text.Json;
using System.Text.Json.Serialization;

namespace MeshClient.Consul.Model;

/// <summary>One intention in an answer of <c>intentions/match</c>.</summary>
internal sealed class IntentionDocument
{
    public string? ID { get; set; }

    public string? SourceName { get; set; }

    public string? SourceNS { get; set; }

    public string? SourcePartition { get; set; }

    public string? SourcePeer { get; set; }

    public string? SourceSamenessGroup { get; set; }

    public string? DestinationName { get; set; }

    public string? DestinationNS { get; set; }

    public string? DestinationPartition { get; set; }

    public string? Action { get; set; }

    /// <summary>Null where there are none; a null among them stays, because it must not vanish silently.</summary>
    public PermissionDocument?[]? Permissions { get; set; }

    [JsonPropertyName("JWT")]
    public JsonElement? Jwt { get; set; }

    /// <summary>The intention's own, or that of the service-intentions entry it is part of.</summary>
    [JsonConverter(typeof(LenientMapConverter<string>))]
    public IReadOnlyDictionary<string, string>? Meta { get; set; }
}

/// <summary>
/// One permission. In the parts that decide about a request, unknown keys are noticed: they may narrow what the permission
/// allows.
/// </summary>
internal sealed class PermissionDocument
{
    public string? Action { get; set; }

    [JsonPropertyName("HTTP")]
    public HttpPermissionDocument? Http { get; set; }

    [JsonPropertyName("JWT")]
    public JsonElement? Jwt { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

internal sealed class HttpPermissionDocument
{
    public string? PathExact { get; set; }

    public string? PathPrefix { get; set; }

    public string? PathRegex { get; set; }

    public string?[]? Methods { get; set; }

    public HeaderDocument?[]? Header { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

internal sealed class HeaderDocument
{
    public string? Name { get; set; }

    public bool? Present { get; set; }

    public string? Exact { get; set; }

    public string? Prefix { get; set; }

    public string? Suffix { get; set; }

    public string? Contains { get; set; }

    public string? Regex { get; set; }

    public bool? Invert { get; set; }

    public bool? IgnoreCase { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
