using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Identity;

/// <summary>
/// Reads the identity out of a peer's certificate. The path to a root is not checked here: that is the chain's part.
/// Rules: X509-SVID (github.com/spiffe/spiffe, standards/X509-SVID.md), sections 2 to 4 and 5.2, for a leaf: exactly one URI
/// name, a SPIFFE id with a path; no CA; key usage, critical, with digital signature and without certificate or list signing. An
/// extension that is there twice is refused, since two readers could go by different ones (RFC 5280, section 4.2). What the
/// certificate may be used for is the chain's part too.
/// </summary>
public static class SpiffeCertificate
{
    private const string SubjectAlternativeNameOid = "2.5.29.17";
    private static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);

    /// <summary>Reads the SPIFFE id of a leaf.</summary>
    /// <param name="certificate">The leaf.</param>
    /// <param name="id">Its id.</param>
    /// <param name="problem">What is wrong with it, as part of a sentence, when the result is false.</param>
    public static bool TryReadId(
        X509Certificate2 certificate, [NotNullWhen(true)] out SpiffeId? id, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        id = null;
        try
        {
            problem = FindProblem(certificate, out id);
        }
        catch (CryptographicException)
        {
            // Extensions are decoded when they are looked at, and this one is the peer's.
            problem = "one of its extensions cannot be read";
        }

        return problem is null;
    }

    private static string? FindProblem(X509Certificate2 certificate, out SpiffeId? id)
    {
        id = null;
        byte[]? names = null;
        var hasKeyUsage = false;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var extension in certificate.Extensions)
        {
            if (!seen.Add(extension.Oid?.Value ?? string.Empty))
            {
                return "it has an extension twice";
            }

            switch (extension)
            {
                case X509BasicConstraintsExtension { CertificateAuthority: true }:
                    return "it is a CA certificate";
                case X509KeyUsageExtension usage:
                    hasKeyUsage = true;
                    if (!usage.Critical)
                    {
                        return "its key usage is not critical, so that some may pass over it";
                    }

                    if (!usage.KeyUsages.HasFlag(X509KeyUsageFlags.DigitalSignature))
                    {
                        return "its key usage does not allow digital signatures";
                    }

                    if ((usage.KeyUsages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) != 0)
                    {
                        return "its key usage allows signing certificates or revocation lists";
                    }

                    break;
                default:
                    if (extension.Oid?.Value == SubjectAlternativeNameOid)
                    {
                        names = extension.RawData;
                    }

                    break;
            }
        }

        // Without the extension a key is good for everything, signing certificates included.
        if (!hasKeyUsage)
        {
            return "it has no key usage";
        }

        if (names is null)
        {
            return "it has no subject alternative name";
        }

        string? uri = null;
        try
        {
            var reader = new AsnReader(names, AsnEncodingRules.DER);
            var sequence = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            while (sequence.HasData)
            {
                if (!sequence.PeekTag().HasSameClassAndValue(UriTag))
                {
                    sequence.ReadEncodedValue();
                    continue;
                }

                if (uri is not null)
                {
                    return "it has more than one URI name";
                }

                uri = sequence.ReadCharacterString(UniversalTagNumber.IA5String, UriTag);
            }
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            return "its subject alternative name cannot be read";
        }

        if (uri is null)
        {
            return "it has no URI name";
        }

        if (!SpiffeId.TryParse(uri, out id))
        {
            return "its URI name is not a SPIFFE id";
        }

        if (id.Path.Length == 0)
        {
            id = null;
            return "its SPIFFE id names a trust domain, not a workload";
        }

        return null;
    }
}
