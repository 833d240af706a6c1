using System.Buffers.Text;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MeshClient.AspNetCore.Tests.Support;

/// <summary>
/// Signs tokens (RS256 or ES256) as an identity provider does. Stands beside <see cref="SignedTokenHandler"/>, which verifies them
/// as a handler of an app would; neither is JwtBearer, whose package these tests do without.
/// </summary>
internal sealed class SignedTokens : IDisposable
{
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string Sign(object claims, string algorithm = "RS256")
    {
        var text = $"{Encode(JsonSerializer.SerializeToUtf8Bytes(new { alg = algorithm, typ = "JWT" }))}.{Encode(JsonSerializer.SerializeToUtf8Bytes(claims))}";
        var bytes = Encoding.ASCII.GetBytes(text);
        var signature = algorithm == "RS256"
            ? _rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : _ecdsa.SignData(bytes, HashAlgorithmName.SHA256);
        return $"{text}.{Encode(signature)}";
    }

    public bool Verify(string algorithm, byte[] signed, byte[] signature) => algorithm switch
    {
        "RS256" => _rsa.VerifyData(signed, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        "ES256" => _ecdsa.VerifyData(signed, signature, HashAlgorithmName.SHA256),
        _ => false,
    };

    public void Dispose()
    {
        _rsa.Dispose();
        _ecdsa.Dispose();
    }

    private static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);
}

/// <summary>What a scheme of <see cref="SignedTokenHandler"/> trusts.</summary>
internal sealed class SignedTokenOptions : AuthenticationSchemeOptions
{
    public SignedTokens Tokens { get; set; } = null!;

    /// <summary>Is told of each request it is asked about.</summary>
    public Action<HttpContext>? OnAsked { get; set; }

    /// <summary>Thrown in place of an answer.</summary>
    public Exception? Failure { get; set; }
}

/// <summary>Authenticates by a signed bearer token, and makes claims of it as the handlers of Microsoft do.</summary>
internal sealed class SignedTokenHandler(IOptionsMonitor<SignedTokenOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<SignedTokenOptions>(options, logger, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        Options.OnAsked?.Invoke(Context);
        if (Options.Failure is { } failure)
        {
            throw failure;
        }

        const string Prefix = "Bearer ";
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        var parts = header[Prefix.Length..].Split('.');
        if (parts.Length != 3)
        {
            return Task.FromResult(AuthenticateResult.Fail("not a token"));
        }

        using var head = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0]));
        if (!Options.Tokens.Verify(
            head.RootElement.GetProperty("alg").GetString()!, Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2])))
        {
            return Task.FromResult(AuthenticateResult.Fail("the signature is wrong"));
        }

        using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
        if (claims.RootElement.TryGetProperty("exp", out var exp) && DateTimeOffset.FromUnixTimeSeconds(exp.GetInt64()) < TimeProvider.GetUtcNow())
        {
            return Task.FromResult(AuthenticateResult.Fail("the token has ended"));
        }

        var identity = new ClaimsIdentity(claims.RootElement.EnumerateObject().SelectMany(ClaimsOf), Scheme.Name);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme.Name)));
    }

    private static IEnumerable<Claim> ClaimsOf(JsonProperty claim) => claim.Value.ValueKind == JsonValueKind.Array
        ? claim.Value.EnumerateArray().Select(one => ClaimOf(claim.Name, one))
        : [ClaimOf(claim.Name, claim.Value)];

    private static Claim ClaimOf(string name, JsonElement value)
    {
        var claim = value.ValueKind switch
        {
            JsonValueKind.String => new Claim(name == "role" ? ClaimTypes.Role : name, value.GetString()!),
            JsonValueKind.True or JsonValueKind.False => new Claim(name, value.GetBoolean() ? "true" : "false", ClaimValueTypes.Boolean),
            JsonValueKind.Object => new Claim(name, value.GetRawText(), "JSON"),
            _ => new Claim(name, value.GetRawText(), ClaimValueTypes.Integer64),
        };
        if (claim.Type != name)
        {
            claim.Properties["http://schemas.xmlsoap.org/ws/2005/05/identity/claimproperties/ShortTypeName"] = name;
        }

        return claim;
    }
}
