using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Identity;

/// <summary>
/// This workload's certificate, with its private key and the intermediates between it and a root. Owns them: whoever reads one
/// from a source disposes it, or leaves it to the garbage collector while handshakes may still use it.
/// </summary>
public sealed class LeafCertificate : IEquatable<LeafCertificate>, IDisposable
{
    /// <summary>Makes one.</summary>
    /// <param name="certificate">The leaf, with its private key.</param>
    /// <param name="intermediates">The certificates to send after it, in order; may be empty.</param>
    /// <exception cref="ArgumentException">There is no private key, or the certificate is not a valid SPIFFE leaf.</exception>
    public LeafCertificate(X509Certificate2 certificate, IEnumerable<X509Certificate2> intermediates)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        ArgumentNullException.ThrowIfNull(intermediates);
        if (!certificate.HasPrivateKey)
        {
            throw new ArgumentException("The leaf certificate has no private key.", nameof(certificate));
        }

        Id = SpiffeCertificate.TryReadId(certificate, out var id, out var problem)
            ? id
            : throw new ArgumentException($"The leaf certificate is not usable: {problem}.", nameof(certificate));
        Certificate = certificate;
        Intermediates = [.. intermediates];
        // Read now, so that they can be told of one that is disposed.
        NotBefore = new DateTimeOffset(certificate.NotBefore.ToUniversalTime());
        NotAfter = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
    }

    /// <summary>The leaf, with its private key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>The certificates to send after it.</summary>
    public IReadOnlyList<X509Certificate2> Intermediates { get; }

    /// <summary>The identity it proves.</summary>
    public SpiffeId Id { get; }

    /// <summary>From when it is valid.</summary>
    public DateTimeOffset NotBefore { get; }

    /// <summary>Until when it is valid.</summary>
    public DateTimeOffset NotAfter { get; }

    /// <summary>
    /// Whether it, or one of its intermediates, names a root as its issuer, by key identifier; what cannot be told counts as yes.
    /// </summary>
    internal bool IsUnder(X509Certificate2 root)
    {
        var identifier = root.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault()?.SubjectKeyIdentifierBytes;
        var issuers = Intermediates.Prepend(Certificate)
            .Select(one => one.Extensions.OfType<X509AuthorityKeyIdentifierExtension>().FirstOrDefault()?.KeyIdentifier).ToList();
        return identifier is null || issuers.Exists(issuer => issuer is null || issuer.Value.Span.SequenceEqual(identifier.Value.Span));
    }

    /// <summary>Whether the other holds the same certificates.</summary>
    public bool Equals(LeafCertificate? other) =>
        other is not null
        && Certificate.RawDataMemory.Span.SequenceEqual(other.Certificate.RawDataMemory.Span)
        && Intermediates.Select(one => one.RawData).SequenceEqual(other.Intermediates.Select(one => one.RawData), ByteArrayComparer.Instance);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LeafCertificate);

    /// <inheritdoc/>
    public override int GetHashCode() => Certificate.GetHashCode();

    /// <summary>Frees the certificates and the private key. They can no longer be used; the identity and the times can.</summary>
    public void Dispose()
    {
        Certificate.Dispose();
        foreach (var intermediate in Intermediates)
        {
            intermediate.Dispose();
        }
    }
}
