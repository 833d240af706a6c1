using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace MeshClient.Server.Tests.AccessControl.Login;

/// <summary>Makes tokens, good ones and others.</summary>
internal sealed class JwtSamples : IDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    public RSA Rsa { get; } = RSA.Create(2048);

    public ECDsa Ec { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>Both keys as a JWK set, with the ids <c>r</c> and <c>e</c>.</summary>
    public string KeySet
    {
        get
        {
            var rsa = Rsa.ExportParameters(false);
            var ec = Ec.ExportParameters(false);
            return $$"""
                {"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"r","n":"{{Base64Url.EncodeToString(rsa.Modulus)}}","e":"{{Base64Url.EncodeToString(rsa.Exponent)}}"},
                {"kty":"EC","crv":"P-256","kid":"e","x":"{{Base64Url.EncodeToString(ec.Q.X)}}","y":"{{Base64Url.EncodeToString(ec.Q.Y)}}"},
                {"kty":"oct","kid":"o","k":"AAAA"},{"kty":"RSA","use":"enc","kid":"x","n":"AQAB","e":"AQAB"}]}
                """;
        }
    }

    public static Dictionary<string, object?> Claims(params (string Name, object? Value)[] changes)
    {
        var claims = new Dictionary<string, object?>
        {
            ["iss"] = "https://issuer",
            ["aud"] = "mesh",
            ["sub"] = "web",
            ["exp"] = Now.AddMinutes(5).ToUnixTimeSeconds(),
            ["iat"] = Now.ToUnixTimeSeconds(),
            ["groups"] = (string[])["a", "b"],
            ["kubernetes"] = new Dictionary<string, object?> { ["namespace"] = "prod" },
        };
        foreach (var (name, value) in changes)
        {
            claims[name] = value;
            if (value is null)
            {
                claims.Remove(name);
            }
        }

        return claims;
    }

    public string Rs256(Dictionary<string, object?> claims, string header = """{"alg":"RS256","kid":"r"}""") =>
        Sign(header, JsonSerializer.Serialize(claims), bytes => Rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));

    public string Es256(Dictionary<string, object?> claims, string header = """{"alg":"ES256","kid":"e"}""") =>
        Sign(header, JsonSerializer.Serialize(claims), bytes => Ec.SignData(bytes, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));

    public static string Sign(string header, string payload, Func<byte[], byte[]> sign)
    {
        var signed = $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload))}";
        return $"{signed}.{Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes(signed)))}";
    }

    public void Dispose()
    {
        Rsa.Dispose();
        Ec.Dispose();
    }
}
