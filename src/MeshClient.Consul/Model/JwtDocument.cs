using System.Text.Json;
using System.Text.Json.Serialization;

namespace MeshClient.Consul.Model;

/// <summary>A requirement for tokens. Unknown keys are noticed in all its parts: they may ask for more.</summary>
internal sealed class JwtDocument
{
    public JwtProviderDocument?[]? Providers { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

internal sealed class JwtProviderDocument
{
    public string? Name { get; set; }

    public JwtClaimDocument?[]? VerifyClaims { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

internal sealed class JwtClaimDocument
{
    public string?[]? Path { get; set; }

    public string? Value { get; set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
