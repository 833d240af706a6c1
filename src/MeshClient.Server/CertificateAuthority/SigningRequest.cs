using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace MeshClient.Server.CertificateAuthority;

/// <summary>
/// Reads requests for certificates (PKCS #10). Only the key is taken from them: names and extensions in a request say what
/// somebody would like to be, and a certificate says what a token allows.
/// </summary>
internal static class SigningRequest
{
    /// <summary>How long a request may be: a request with the longest key that is taken has about 3 000 characters.</summary>
    public const int MaxLength = 16 * 1024;

    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 8192;

    private static readonly string[] Curves = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];

    /// <summary>The key that signed a request.</summary>
    /// <exception cref="RequestRefusedException">It is no request, is not signed by its own key, or the key is of no use.</exception>
    public static PublicKey ReadKey(string pem)
    {
        if (pem.Length > MaxLength)
        {
            throw RequestRefusedException.Invalid($"A certificate signing request has no more than {MaxLength} characters.");
        }

        try
        {
            var key = CertificateRequest.LoadSigningRequestPem(pem, HashAlgorithmName.SHA256).PublicKey;
            return IsGood(key)
                ? key
                : throw RequestRefusedException.Invalid($"The key must be EC on P-256, P-384 or P-521, or RSA with {MinRsaBits} to {MaxRsaBits} bits.");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or NotSupportedException or AsnContentException)
        {
            throw RequestRefusedException.Invalid("The body must be a certificate signing request in PEM, signed by its own key.");
        }
    }

    private static bool IsGood(PublicKey key)
    {
        using var rsa = key.GetRSAPublicKey();
        if (rsa is not null)
        {
            return rsa.KeySize is >= MinRsaBits and <= MaxRsaBits;
        }

        using var ec = key.GetECDsaPublicKey();
        return ec is not null && Curves.Contains(ec.ExportParameters(includePrivateParameters: false).Curve.Oid?.Value);
    }
}
