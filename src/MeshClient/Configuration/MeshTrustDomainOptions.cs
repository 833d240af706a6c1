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
    /// <see cref="MeshIdentityOptions.FileInterval"/> has it. Nothing goes over mutual TLS before it has been looked at once; where it
    /// cannot be read then, members of the trust domain are refused with an error that names it, until it can. Required.
    /// </summary>
    public string? RootsFile { get; set; }
}
