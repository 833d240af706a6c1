namespace MeshClient.Consul.Model;

/// <summary>The answer of <c>agent/connect/ca/sign</c>.</summary>
internal sealed class SignedDocument
{
    public string? CertPEM { get; set; }
}
