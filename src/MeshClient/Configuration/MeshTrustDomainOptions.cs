namespace MeshClient.Configuration;

/// <summary>
/// Another trust domain (federation). Its members are believed when its own roots vouch for them, and nobody else is believed
/// for these roots. Intentions are about services of this trust domain: a member of another one is let in only by an intention the
/// source of which is its whole SPIFFE id.
/// </summary>
public sealed class MeshTrustDomainOptions
{
    /// <summary>
    /// The PEM file with its roots, which has to be readable at start and is read again when it changes, as
    /// <see cref="MeshIdentityOptions.FileInterval"/> has it. Required.
    /// </summary>
    public string? RootsFile { get; set; }
}
