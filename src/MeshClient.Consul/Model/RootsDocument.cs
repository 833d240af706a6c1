using System.Text.Json.Serialization;

namespace MeshClient.Consul.Model;

/// <summary>The answer of <c>agent/connect/ca/roots</c>.</summary>
internal sealed class RootsDocument
{
    public string? TrustDomain { get; init; }

    [JsonConverter(typeof(LenientListConverter<RootDocument>))]
    public IReadOnlyList<RootDocument> Roots { get; init; } = [];
}

internal sealed class RootDocument
{
    public string? ID { get; init; }

    public string? RootCert { get; init; }
}
