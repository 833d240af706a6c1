using System.Buffers.Text;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using MeshClient.Server.Api;

namespace MeshClient.Server.AccessControl.Login;

/// <summary>
/// A public key that signs tokens. It knows the one algorithm it is for: what the header of a token says never chooses how a
/// key is used, so a public key cannot be taken for a shared secret.
/// </summary>
internal sealed class JwtKey
{
    /// <summary>RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).</summary>
    public const string Rs256 = "RS256";

    /// <summary>ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4).</summary>
    public const string Es256 = "ES256";

    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 8192;
    private const int P256Bytes = 32;
    private const string P256Oid = "1.2.840.10045.3.1.7";

    private readonly RSAParameters? _rsa;
    private readonly ECParameters? _ec;

    private JwtKey(string? keyId, RSAParameters rsa)
    {
        var bits = (rsa.Modulus?.Length ?? 0) * 8;
        if (bits is < MinRsaBits or > MaxRsaBits)
        {
            throw new JwtConfigException($"an RSA key has {bits} bits: {MinRsaBits} to {MaxRsaBits} are accepted");
        }

        (KeyId, Algorithm, _rsa) = (keyId, Rs256, rsa);
    }

    private JwtKey(string? keyId, ECParameters ec) => (KeyId, Algorithm, _ec) = (keyId, Es256, ec);

    /// <summary>Its name in the headers of tokens; null when it has none.</summary>
    public string? KeyId { get; }

    public string Algorithm { get; }

    /// <exception cref="JwtConfigException">It is no key of a known kind.</exception>
    public static JwtKey FromPem(string pem)
    {
        if (pem.Contains("PRIVATE", StringComparison.Ordinal))
        {
            throw new JwtConfigException("a private key is given: only public keys belong here");
        }

        return TryReadRsa(pem) ?? TryReadEc(pem)
            ?? throw new JwtConfigException("error parsing public key: it must be a PEM public key, RSA or EC P-256");
    }

    /// <summary>The keys of a JWK set (RFC 7517), an object or a text that holds one. Keys for other uses are left out.</summary>
    /// <exception cref="JwtConfigException">It is no key set.</exception>
    public static ImmutableArray<JwtKey> FromSet(JsonElement set)
    {
        if (set.ValueKind != JsonValueKind.String)
        {
            return ReadSet(set);
        }

        try
        {
            using var document = JsonDocument.Parse(set.GetString()!);
            return ReadSet(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new JwtConfigException("'JWKS' is no JSON");
        }
    }

    /// <summary>Whether a signature is this key's.</summary>
    /// <param name="signed">What was signed.</param>
    /// <param name="signature">The signature in the form of JWS.</param>
    public bool Verifies(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        try
        {
            if (_rsa is { } rsaParameters)
            {
                using var rsa = RSA.Create(rsaParameters);
                return rsa.VerifyData(signed, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            }

            using var ec = ECDsa.Create(_ec!.Value);
            return signature.Length == 2 * P256Bytes
                && ec.VerifyData(signed, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static ImmutableArray<JwtKey> ReadSet(JsonElement set)
    {
        if (set.ValueKind != JsonValueKind.Object || !set.TryGetProperty("keys", out var keys) || keys.ValueKind != JsonValueKind.Array)
        {
            throw new JwtConfigException("'JWKS' has to be an object with a list \"keys\"");
        }

        ImmutableArray<JwtKey> read = [.. keys.EnumerateArray().Select(ReadKey).OfType<JwtKey>()];
        var doubled = read.Where(key => key.KeyId is not null).GroupBy(key => key.KeyId, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
        return doubled is null ? read : throw new JwtConfigException($"'JWKS' has two keys with the id \"{doubled.Key}\"");
    }

    private static JwtKey? ReadKey(JsonElement key)
    {
        string? Part(string name) => key.ValueKind == JsonValueKind.Object && key.TryGetProperty(name, out var value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

        if (Part("use") is { } use && use != "sig")
        {
            return null;
        }

        var algorithm = Part("alg");
        switch (Part("kty"))
        {
            case "RSA" when algorithm is null or Rs256:
                var rsa = new RSAParameters { Modulus = Bytes(Part("n"), "n").AsSpan().TrimStart((byte)0).ToArray(), Exponent = Bytes(Part("e"), "e") };
                return Checked(() => RSA.Create(rsa), new JwtKey(Part("kid"), rsa));
            case "EC" when Part("crv") == "P-256" && algorithm is null or Es256:
                var ec = new ECParameters
                {
                    Curve = ECCurve.NamedCurves.nistP256,
                    Q = new ECPoint { X = Bytes(Part("x"), "x"), Y = Bytes(Part("y"), "y") },
                };
                return Checked(() => ECDsa.Create(ec), new JwtKey(Part("kid"), ec));
            case null:
                throw new JwtConfigException("'JWKS' has a key without \"kty\"");
            default:
                return null;
        }
    }

    // Reads it once, so that a key that is none is refused now and not at the first login.
    private static JwtKey Checked(Func<AsymmetricAlgorithm> create, JwtKey key)
    {
        try
        {
            create().Dispose();
            return key;
        }
        catch (CryptographicException)
        {
            throw new JwtConfigException($"'JWKS' has a key that is none{(key.KeyId is { } id ? $": \"{id}\"" : string.Empty)}");
        }
    }

    private static byte[] Bytes(string? text, string name)
    {
        try
        {
            return Base64Url.DecodeFromChars(text ?? throw new JwtConfigException($"'JWKS' has a key without \"{name}\""));
        }
        catch (FormatException)
        {
            throw new JwtConfigException($"'JWKS' has a key whose \"{name}\" is no base64url");
        }
    }

    private static JwtKey? TryReadRsa(string pem)
    {
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(pem);
            return new JwtKey(null, rsa.ExportParameters(includePrivateParameters: false));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return null;
        }
    }

    private static JwtKey? TryReadEc(string pem)
    {
        try
        {
            using var ec = ECDsa.Create();
            ec.ImportFromPem(pem);
            var parameters = ec.ExportParameters(includePrivateParameters: false);
            return parameters.Curve.Oid.Value == P256Oid ? new JwtKey(null, parameters) : null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return null;
        }
    }
}
