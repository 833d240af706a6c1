using System.Buffers;
using System.Buffers.Text;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using MeshClient.Core;

namespace MeshClient.Server.AccessControl.Login;

/// <summary>What the claims of a good token say, by the names its auth method maps them to.</summary>
internal sealed record JwtIdentity(
    ImmutableSortedDictionary<string, string> Values, ImmutableSortedDictionary<string, EquatableArray<string>> Lists);

/// <summary>
/// Judges signed tokens (RFC 7519, RFC 7515 compact form) by the rules of RFC 8725: the algorithm is the key's and not the
/// token's choice; a key id only picks among the configured keys; key material in the header is not looked at; extensions
/// that a receiver must understand are refused; issuer, audience and expiry are demanded.
/// </summary>
internal static class JwtValidator
{
    /// <summary>How long a token may be: many times what identity providers issue.</summary>
    public const int MaxLength = 16 * 1024;

    private static readonly SearchValues<char> Base64UrlChars =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    // Two values of one name could be read one way here and another way elsewhere.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    /// <summary>Judges a token.</summary>
    /// <param name="token">It.</param>
    /// <param name="config">The rules.</param>
    /// <param name="now">The moment.</param>
    /// <param name="problem">Why it is not good; nothing of the token is in it.</param>
    /// <returns>What it says; null when it is not good.</returns>
    public static JwtIdentity? Validate(string token, JwtConfig config, DateTimeOffset now, out string problem)
    {
        problem = string.Empty;
        if (token.Length > MaxLength)
        {
            problem = $"the token is longer than {MaxLength} characters";
            return null;
        }

        var parts = token.Split('.');
        if (parts.Length != 3 || Decode(parts[0]) is not { } header || Decode(parts[1]) is not { } payload || Decode(parts[2]) is not { } signature)
        {
            problem = "the token is not of the form of a signed JWT";
            return null;
        }

        try
        {
            using var head = JsonDocument.Parse(header, Strict);
            if (!IsSigned(head.RootElement, Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), signature, config, out problem))
            {
                return null;
            }

            using var claims = JsonDocument.Parse(payload, Strict);
            return FindWrong(claims.RootElement, config, now) is { } wrong ? Fail(wrong, out problem) : Map(claims.RootElement, config, out problem);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            problem = "the header or the claims of the token are no JSON";
            return null;
        }
    }

    private static bool IsSigned(JsonElement header, byte[] signed, byte[] signature, JwtConfig config, out string problem)
    {
        var algorithm = TextOf(header, "alg");
        if (algorithm is null || !config.Algorithms.Contains(algorithm, StringComparer.Ordinal))
        {
            problem = "the token is signed by an algorithm that is not accepted";
            return false;
        }

        if (header.TryGetProperty("crit", out _))
        {
            problem = "the token demands an extension that is not known";
            return false;
        }

        var keys = config.Keys.Where(key => key.Algorithm == algorithm);
        if (header.TryGetProperty("kid", out _) && config.Keys.Any(key => key.KeyId is not null))
        {
            var keyId = TextOf(header, "kid");
            keys = keys.Where(key => key.KeyId is not null && string.Equals(key.KeyId, keyId, StringComparison.Ordinal));
        }

        problem = "the token is signed by none of the known keys";
        return keys.Any(key => key.Verifies(signed, signature));
    }

    private static string? FindWrong(JsonElement claims, JwtConfig config, DateTimeOffset now)
    {
        if (claims.ValueKind != JsonValueKind.Object)
        {
            return "the claims of the token are no object";
        }

        if (config.Issuer is { } issuer && TextOf(claims, "iss") != issuer)
        {
            return "invalid issuer claim (iss)";
        }

        if (!IsForUs(claims, config.Audiences))
        {
            return "invalid audience claim (aud)";
        }

        if (SecondsOf(claims, "exp") is not { } end || end <= (now - config.ClockSkew - config.ExpirationLeeway).ToUnixTimeMilliseconds() / 1000.0)
        {
            return claims.TryGetProperty("exp", out _) ? "token is expired (exp)" : "the token has no expiration time (exp)";
        }

        var latest = (now + config.ClockSkew + config.NotBeforeLeeway).ToUnixTimeMilliseconds() / 1000.0;
        if (claims.TryGetProperty("nbf", out _) && !(SecondsOf(claims, "nbf") <= latest))
        {
            return "token not valid yet (nbf)";
        }

        return claims.TryGetProperty("iat", out _) && !(SecondsOf(claims, "iat") <= latest) ? "token issued in the future (iat)" : null;
    }

    private static bool IsForUs(JsonElement claims, ImmutableArray<string> audiences)
    {
        if (!claims.TryGetProperty("aud", out var audience))
        {
            return audiences.IsEmpty;
        }

        return audience.ValueKind switch
        {
            JsonValueKind.String => audiences.Contains(audience.GetString()!, StringComparer.Ordinal),
            JsonValueKind.Array => audience.EnumerateArray()
                .Any(one => one.ValueKind == JsonValueKind.String && audiences.Contains(one.GetString()!, StringComparer.Ordinal)),
            _ => false,
        };
    }

    private static JwtIdentity? Map(JsonElement claims, JwtConfig config, out string problem)
    {
        problem = string.Empty;
        var values = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (path, name) in config.ClaimMappings)
        {
            if (Find(claims, path) is { } claim)
            {
                if (TextOf(claim) is not { } text)
                {
                    return Fail($"the claim \"{path}\" is no single value", out problem);
                }

                values[name] = text;
            }
        }

        var lists = ImmutableSortedDictionary.CreateBuilder<string, EquatableArray<string>>(StringComparer.Ordinal);
        foreach (var (path, name) in config.ListClaimMappings)
        {
            if (Find(claims, path) is not { } claim)
            {
                continue;
            }

            ImmutableArray<string?> texts = claim.ValueKind == JsonValueKind.Array ? [.. claim.EnumerateArray().Select(TextOf)] : [TextOf(claim)];
            if (texts.Contains(null))
            {
                return Fail($"the claim \"{path}\" is no list of single values", out problem);
            }

            lists[name] = EquatableArray.From(texts.Select(text => text!));
        }

        return new JwtIdentity(values.ToImmutable(), lists.ToImmutable());
    }

    // A plain name, or the path of a claim inside others as a JSON pointer (RFC 6901), as in Consul.
    private static JsonElement? Find(JsonElement claims, string path)
    {
        if (path is not ['/', ..])
        {
            return claims.TryGetProperty(path, out var plain) ? plain : null;
        }

        var element = claims;
        foreach (var step in path[1..].Split('/'))
        {
            var name = step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out element))
            {
                return null;
            }
        }

        return element;
    }

    private static string? TextOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => null,
    };

    private static string? TextOf(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static double? SecondsOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var seconds)
            && double.IsFinite(seconds) ? seconds : null;

    // By hand before the platform's decoder, which passes over white space and padding: one token, one writing.
    private static byte[]? Decode(string part)
    {
        if (part.AsSpan().ContainsAnyExcept(Base64UrlChars))
        {
            return null;
        }

        try
        {
            return Base64Url.DecodeFromChars(part);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static JwtIdentity? Fail(string what, out string problem)
    {
        problem = what;
        return null;
    }
}
