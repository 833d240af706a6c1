using System.Text.Json.Serialization;

namespace MeshClient.Consul.Model;

/// <summary>The answer of <c>agent/connect/ca/roots</c>.</summary>
internal sealed class RootsDocument
{
    public string? TrustDomain { get; set; }

    public string? ActiveRootID { get; set; }

    [JsonConverter(typeof(LenientListConverter<RootDocument>))]
    public IReadOnlyList<RootDocument> Roots { get; set; } = [];
}

internal sealed class RootDocument
{
    public string? ID { get; set; }

    public string? RootCert { get; set; }
}
