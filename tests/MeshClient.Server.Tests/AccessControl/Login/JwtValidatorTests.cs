using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.AccessControl.Login;

namespace MeshClient.Server.Tests.AccessControl.Login;

/// <summary>Good tokens are taken, and every known way to forge one is not.</summary>
public sealed class JwtValidatorTests : IDisposable
{
    private readonly JwtSamples _samples = new();
    private readonly JwtConfig _config;

    public JwtValidatorTests() => _config = Config("\"JWKS\":" + _samples.KeySet);

    [Fact]
    public void Validate_OfGoodTokens_GivesTheMappedClaims()
    {
        foreach (var token in (string[])
            [
                _samples.Rs256(JwtSamples.Claims()),
                _samples.Es256(JwtSamples.Claims()),
                _samples.Es256(JwtSamples.Claims(), """{"alg":"ES256"}"""),
                _samples.Rs256(JwtSamples.Claims(("aud", (string[])["other", "mesh"]))),
                _samples.Rs256(JwtSamples.Claims(("nbf", JwtSamples.Now.AddSeconds(59).ToUnixTimeSeconds()))),
                _samples.Rs256(JwtSamples.Claims(("exp", JwtSamples.Now.AddSeconds(-59).ToUnixTimeSeconds()))),
            ])
        {
            var identity = JwtValidator.Validate(token, _config, JwtSamples.Now, out var problem);
            Assert.True(identity is not null, problem);
            Assert.Equal("web", identity.Values["user"]);
            Assert.Equal("prod", identity.Values["ns"]);
            Assert.Equal(["a", "b"], identity.Lists["groups"]);
        }
    }

    [Fact]
    public void Validate_WithPemKeys_TakesThemByTheirKind()
    {
        var rsa = Config($"\"JWTValidationPubKeys\":[{JsonSerializer.Serialize(_samples.Rsa.ExportSubjectPublicKeyInfoPem())}]");
        var ec = Config($"\"JWTValidationPubKeys\":[{JsonSerializer.Serialize(_samples.Ec.ExportSubjectPublicKeyInfoPem())}]");
        Assert.NotNull(JwtValidator.Validate(_samples.Rs256(JwtSamples.Claims()), rsa, JwtSamples.Now, out _));
        Assert.NotNull(JwtValidator.Validate(_samples.Es256(JwtSamples.Claims()), ec, JwtSamples.Now, out _));
        Refused(_samples.Es256(JwtSamples.Claims()), rsa, "the token is signed by none of the known keys");
        Refused(_samples.Rs256(JwtSamples.Claims()), ec, "the token is signed by none of the known keys");
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("nOnE")]
    [InlineData("")]
    public void Validate_WithoutASignature_IsRefused(string algorithm)
    {
        foreach (var signature in (byte[][])[[], [1, 2, 3]])
        {
            Refused(JwtSamples.Sign($$"""{"alg":"{{algorithm}}"}""", JsonSerializer.Serialize(JwtSamples.Claims()), _ => signature), "the token is signed by an algorithm that is not accepted");
        }
    }

    /// <summary>The public key, in every form it is known in, as the secret of a symmetric signature.</summary>
    [Fact]
    public void Validate_OfHs256WithThePublicKey_IsRefused()
    {
        var pem = _samples.Rsa.ExportSubjectPublicKeyInfoPem();
        byte[][] secrets = [Encoding.UTF8.GetBytes(pem), Encoding.UTF8.GetBytes(pem + "\n"), _samples.Rsa.ExportSubjectPublicKeyInfo(), _samples.Rsa.ExportParameters(false).Modulus!];
        foreach (var secret in secrets)
        {
            foreach (var algorithm in (string[])["HS256", "RS256", "ES256"])
            {
                var token = JwtSamples.Sign($$"""{"alg":"{{algorithm}}"}""", JsonSerializer.Serialize(JwtSamples.Claims()), bytes => HMACSHA256.HashData(secret, bytes));
                Assert.Null(JwtValidator.Validate(token, _config, JwtSamples.Now, out _));
            }
        }
    }

    [Theory]
    [InlineData("""{"alg":"RS256","kid":"e"}""")]
    [InlineData("""{"alg":"RS256","kid":"unknown"}""")]
    [InlineData("""{"alg":"RS256","kid":"../../dev/null"}""")]
    [InlineData("""{"alg":"RS256","kid":"r' OR '1'='1"}""")]
    [InlineData("""{"alg":"RS256","kid":5}""")]
    [InlineData("""{"alg":"RS256","kid":null}""")]
    [InlineData("""{"alg":"RS256","kid":"o"}""")]
    public void Validate_OfAKeyIdThatIsNotTheKeys_IsRefused(string header) =>
        Refused(_samples.Rs256(JwtSamples.Claims(), header), "the token is signed by none of the known keys");

    /// <summary>Key material that the token itself brings along is not looked at.</summary>
    [Fact]
    public void Validate_OfAKeyInTheHeader_IsRefused()
    {
        using var attacker = new JwtSamples();
        var rsa = attacker.Rsa.ExportParameters(false);
        var jwk = $$"""{"kty":"RSA","n":"{{Base64Url.EncodeToString(rsa.Modulus)}}","e":"{{Base64Url.EncodeToString(rsa.Exponent)}}"}""";
        foreach (var extra in (string[])[$"\"jwk\":{jwk}", "\"jku\":\"https://attacker/keys\"", "\"x5u\":\"https://attacker/cert\"", "\"x5c\":[\"AAAA\"]"])
        {
            foreach (var keyId in (string[])["", "\"kid\":\"r\","])
            {
                Refused(attacker.Rs256(JwtSamples.Claims(), $"{{\"alg\":\"RS256\",{keyId}{extra}}}"), "the token is signed by none of the known keys");
            }
        }
    }

    [Theory]
    [InlineData("iss", "https://other", "invalid issuer claim (iss)")]
    [InlineData("iss", null, "invalid issuer claim (iss)")]
    [InlineData("iss", "https://issuer/", "invalid issuer claim (iss)")]
    [InlineData("aud", "other", "invalid audience claim (aud)")]
    [InlineData("aud", null, "invalid audience claim (aud)")]
    [InlineData("aud", 5, "invalid audience claim (aud)")]
    [InlineData("exp", null, "the token has no expiration time (exp)")]
    [InlineData("exp", "never", "token is expired (exp)")]
    [InlineData("exp", 1.0e300, null)]
    [InlineData("exp", -1, "token is expired (exp)")]
    [InlineData("nbf", "x", "token not valid yet (nbf)")]
    [InlineData("iat", 4102444800, "token issued in the future (iat)")]
    public void Validate_OfAWrongClaim_IsRefused(string name, object? value, string? problem)
    {
        var token = _samples.Rs256(JwtSamples.Claims((name, value)));
        if (problem is null)
        {
            Assert.NotNull(JwtValidator.Validate(token, _config, JwtSamples.Now, out _));
        }
        else
        {
            Refused(token, problem);
        }
    }

    [Fact]
    public void Validate_PastTheAllowedSkew_IsRefused()
    {
        Refused(_samples.Rs256(JwtSamples.Claims(("exp", JwtSamples.Now.AddSeconds(-60).ToUnixTimeSeconds()))), "token is expired (exp)");
        Refused(_samples.Rs256(JwtSamples.Claims(("nbf", JwtSamples.Now.AddSeconds(61).ToUnixTimeSeconds()))), "token not valid yet (nbf)");
    }

    [Fact]
    public void Validate_OfAnAudienceWhenNoneIsBound_IsRefused()
    {
        var config = JwtConfig.Parse("{\"JWKS\":" + _samples.KeySet + "}");
        Refused(_samples.Rs256(JwtSamples.Claims()), config, "invalid audience claim (aud)");
        Assert.NotNull(JwtValidator.Validate(_samples.Rs256(JwtSamples.Claims(("aud", null))), config, JwtSamples.Now, out _));
    }

    [Fact]
    public void Validate_OfWhatIsNotOfTheForm_IsRefused()
    {
        var good = _samples.Rs256(JwtSamples.Claims());
        var parts = good.Split('.');
        foreach (var token in (string[])
            [
                "", ".", "..", "...", "x", "x.y.z", parts[0] + "." + parts[1], good + ".", good + ".x", " " + good, good + " ", good + "=", good + "\n",
                parts[0] + ".." + parts[2], parts[0] + "=." + parts[1] + "." + parts[2], good.Replace('-', '+').Replace('_', '/') + "+", parts[0] + "." + parts[1] + ".",
                parts[0] + "." + Base64Url.EncodeToString("null"u8) + "." + parts[2],
            ])
        {
            Assert.Null(JwtValidator.Validate(token, _config, JwtSamples.Now, out var problem));
            Assert.NotEmpty(problem);
        }
    }

    [Fact]
    public void Validate_OfAnOversizedToken_IsRefusedUnread() =>
        Refused(_samples.Rs256(JwtSamples.Claims(("pad", new string('x', JwtValidator.MaxLength)))), $"the token is longer than {JwtValidator.MaxLength} characters");

    [Theory]
    [InlineData("""{"alg":"RS256","crit":["exp"],"exp":1}""", "the token demands an extension that is not known")]
    [InlineData("""{"alg":"RS256","crit":[]}""", "the token demands an extension that is not known")]
    [InlineData("""{"alg":"none","alg":"RS256"}""", "the header or the claims of the token are no JSON")]
    [InlineData("""{"alg":["RS256"]}""", "the token is signed by an algorithm that is not accepted")]
    [InlineData("""["RS256"]""", "the token is signed by an algorithm that is not accepted")]
    [InlineData("""{"alg":"RS512"}""", "the token is signed by an algorithm that is not accepted")]
    [InlineData("""{"alg":"PS256"}""", "the token is signed by an algorithm that is not accepted")]
    [InlineData("{", "the header or the claims of the token are no JSON")]
    public void Validate_OfAStrangeHeader_IsRefused(string header, string problem) => Refused(_samples.Rs256(JwtSamples.Claims(), header), problem);

    [Fact]
    public void Validate_OfDoubledClaims_IsRefused()
    {
        var payload = JsonSerializer.Serialize(JwtSamples.Claims());
        var doubled = payload.Insert(1, "\"sub\":\"admin\",");
        Refused(JwtSamples.Sign("""{"alg":"RS256"}""", doubled, bytes => _samples.Rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)), "the header or the claims of the token are no JSON");
    }

    /// <summary>Signatures of the other forms: DER for ES256, PSS for RS256, all zero, cut, made longer.</summary>
    [Fact]
    public void Validate_OfAnotherFormOfSignature_IsRefused()
    {
        var payload = JsonSerializer.Serialize(JwtSamples.Claims());
        Func<byte[], byte[]>[] es =
        [
            bytes => _samples.Ec.SignData(bytes, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence), _ => new byte[64], _ => [], _ => new byte[63], _ => new byte[100_00],
        ];
        Assert.All(es, sign => Refused(JwtSamples.Sign("""{"alg":"ES256","kid":"e"}""", payload, sign), "the token is signed by none of the known keys"));
        Func<byte[], byte[]>[] rs =
        [
            bytes => _samples.Rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pss), bytes => _samples.Rsa.SignData(bytes, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1), _ => new byte[256], _ => [],
        ];
        Assert.All(rs, sign => Refused(JwtSamples.Sign("""{"alg":"RS256","kid":"r"}""", payload, sign), "the token is signed by none of the known keys"));
    }

    /// <summary>A good token with any one character changed is none, unless the change only touches bits that are not used.</summary>
    [Fact]
    public void Validate_OfAChangedToken_IsRefused()
    {
        var good = _samples.Es256(JwtSamples.Claims());
        var changes = from position in Gen.Choose(0, good.Length - 2)
                      from letter in Gen.Elements("ABCxyz019-_.= ".ToCharArray())
                      select (position, letter);
        Check.One(FsCheck.Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(changes.ToArbitrary(), change =>
        {
            var changed = good[..change.position] + change.letter + good[(change.position + 1)..];
            Assert.Equal(changed == good, JwtValidator.Validate(changed, _config, JwtSamples.Now, out _) is not null);
        }));
    }

    [Theory]
    [InlineData("{}", "exactly one of 'JWTValidationPubKeys' or 'JWKS' must be set for type \"jwt\"")]
    [InlineData("""{"JWKS":{"keys":[]}}""", "exactly one of 'JWTValidationPubKeys' or 'JWKS' must be set for type \"jwt\"")]
    [InlineData("""{"JWKS":5}""", "'JWKS' has to be an object with a list \"keys\"")]
    [InlineData("""{"JWKS":"x"}""", "'JWKS' is no JSON")]
    [InlineData("""{"JWKS":{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}}""", "an RSA key has 24 bits: 2048 to 8192 are accepted")]
    [InlineData("""{"JWKS":{"keys":[{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}]}}""", "'JWKS' has a key that is none")]
    [InlineData("""{"JWTValidationPubKeys":["x"]}""", "error parsing public key: it must be a PEM public key, RSA or EC P-256")]
    [InlineData("""{"JWTValidationPubKeys":["-----BEGIN PRIVATE KEY-----"]}""", "a private key is given: only public keys belong here")]
    [InlineData("""{"Foo":1}""", "error decoding config: 1 error(s) decoding:\n\n* '' has invalid keys: Foo")]
    [InlineData("""{"JWKSURL":"https://x"}""", "'JWKSURL' is not supported: this server fetches no keys; give them as 'JWKS' or 'JWTValidationPubKeys'")]
    [InlineData("""{"JWTSupportedAlgs":["HS256"]}""", "Invalid supported algorithm: HS256; RS256 and ES256 are known")]
    [InlineData("""{"ClockSkewLeeway":"2h"}""", "'ClockSkewLeeway' has to be from 0 to 10m0s")]
    public void Config_OfSomethingWrong_SaysWhatIs(string json, string problem) =>
        Assert.Equal(problem, Assert.Throws<JwtConfigException>(() => JwtConfig.Parse(json)).Message);

    public void Dispose() => _samples.Dispose();

    private static JwtConfig Config(string keys) => JwtConfig.Parse("{" + keys + """
        ,"BoundIssuer":"https://issuer","BoundAudiences":["mesh"],
        "ClaimMappings":{"sub":"user","/kubernetes/namespace":"ns"},"ListClaimMappings":{"groups":"groups"}}
        """);

    private void Refused(string token, string problem) => Refused(token, _config, problem);

    private static void Refused(string token, JwtConfig config, string problem)
    {
        Assert.Null(JwtValidator.Validate(token, config, JwtSamples.Now, out var found));
        Assert.Equal(problem, found);
    }
}
