using System.Collections.Immutable;
using System.Text.Json;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;

namespace MeshClient.Server.AccessControl.Login;

/// <summary>A configuration of an auth method that cannot be used; the message says why.</summary>
internal sealed class JwtConfigException(string message) : Exception(message);

/// <summary>How the tokens of an auth method are judged. The keys of its JSON are Consul's.</summary>
internal sealed record JwtConfig
{
    /// <summary>How far clocks may be apart when nothing is said (Consul's default).</summary>
    public static readonly TimeSpan DefaultClockSkew = TimeSpan.FromSeconds(60);

    /// <summary>How far they may be apart at most: further, and an expiry means little.</summary>
    public static readonly TimeSpan MaxLeeway = TimeSpan.FromMinutes(10);

    private const int MaxKeys = 32;

    public required ImmutableArray<JwtKey> Keys { get; init; }

    /// <summary>The algorithms that are accepted.</summary>
    public ImmutableArray<string> Algorithms { get; init; } = [JwtKey.Rs256, JwtKey.Es256];

    /// <summary>Who must have issued a token; null: whoever has one of the keys.</summary>
    public string? Issuer { get; init; }

    /// <summary>For whom a token must be, one of these; with none, a token must not say for whom it is.</summary>
    public ImmutableArray<string> Audiences { get; init; } = [];

    public TimeSpan ClockSkew { get; init; } = DefaultClockSkew;

    public TimeSpan ExpirationLeeway { get; init; }

    public TimeSpan NotBeforeLeeway { get; init; }

    /// <summary>Which claim becomes which variable of the binding rules.</summary>
    public ImmutableSortedDictionary<string, string> ClaimMappings { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>The same for claims that are lists.</summary>
    public ImmutableSortedDictionary<string, string> ListClaimMappings { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <exception cref="JwtConfigException">It cannot be used.</exception>
    public static JwtConfig Parse(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Parse(document.RootElement);
        }
        catch (JsonException)
        {
            throw new JwtConfigException("error decoding config: it is no JSON");
        }
    }

    /// <exception cref="JwtConfigException">It cannot be used.</exception>
    public static JwtConfig Parse(JsonElement element)
    {
        try
        {
            return Read(element);
        }
        catch (JsonDecodeException e)
        {
            throw new JwtConfigException($"error decoding config: {e.Message}");
        }
    }

    private static JwtConfig Read(JsonElement element)
    {
        var config = new JwtConfig { Keys = [] };
        var sources = 0;
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "jwtvalidationpubkeys":
                    config = config with { Keys = [.. config.Keys, .. field.Texts().Select(JwtKey.FromPem)] };
                    sources++;
                    break;
                case "jwks":
                    config = config with { Keys = [.. config.Keys, .. JwtKey.FromSet(field.Value)] };
                    sources++;
                    break;
                case "jwtsupportedalgs":
                    config = config with { Algorithms = AlgorithmsOf(field) };
                    break;
                case "boundissuer":
                    config = config with { Issuer = field.Text() is { Length: > 0 } issuer ? issuer : null };
                    break;
                case "boundaudiences":
                    config = config with { Audiences = [.. field.Texts()] };
                    break;
                case "clockskewleeway":
                    config = config with { ClockSkew = LeewayOf(field) };
                    break;
                case "expirationleeway":
                    config = config with { ExpirationLeeway = LeewayOf(field) };
                    break;
                case "notbeforeleeway":
                    config = config with { NotBeforeLeeway = LeewayOf(field) };
                    break;
                case "claimmappings":
                    config = config with { ClaimMappings = MappingsOf(field) };
                    break;
                case "listclaimmappings":
                    config = config with { ListClaimMappings = MappingsOf(field) };
                    break;
                case "jwksurl" or "oidcdiscoveryurl" or "jwkscacert" or "oidcdiscoverycacert" when field.Text().Length > 0:
                    throw new JwtConfigException($"'{field.Name}' is not supported: this server fetches no keys; give them as 'JWKS' or 'JWTValidationPubKeys'");
                case "jwksurl" or "oidcdiscoveryurl" or "jwkscacert" or "oidcdiscoverycacert":
                    break;
                default:
                    throw new JwtConfigException($"error decoding config: 1 error(s) decoding:\n\n* '' has invalid keys: {field.Name}");
            }
        }

        if (sources != 1 || config.Keys.IsEmpty)
        {
            throw new JwtConfigException("exactly one of 'JWTValidationPubKeys' or 'JWKS' must be set for type \"jwt\"");
        }

        return config.Keys.Length <= MaxKeys ? config : throw new JwtConfigException($"more than {MaxKeys} keys are given");
    }

    private static ImmutableArray<string> AlgorithmsOf(JsonField field)
    {
        ImmutableArray<string> algorithms = [.. field.Texts()];
        if (algorithms.FirstOrDefault(algorithm => algorithm is not (JwtKey.Rs256 or JwtKey.Es256)) is { } unknown)
        {
            throw new JwtConfigException($"Invalid supported algorithm: {unknown}; {JwtKey.Rs256} and {JwtKey.Es256} are known");
        }

        return algorithms.IsEmpty ? [JwtKey.Rs256, JwtKey.Es256] : algorithms;
    }

    private static TimeSpan LeewayOf(JsonField field) =>
        field.Duration() is var leeway && leeway >= TimeSpan.Zero && leeway <= MaxLeeway
            ? leeway
            : throw new JwtConfigException($"'{field.Name}' has to be from 0 to {GoDuration.From(MaxLeeway)}");

    private static ImmutableSortedDictionary<string, string> MappingsOf(JsonField field)
    {
        var mappings = field.TextMap().ToImmutableSortedDictionary(StringComparer.Ordinal);
        if (mappings.Values.FirstOrDefault(name => name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')) is { } wrong)
        {
            throw new JwtConfigException($"'{field.Name}' maps to \"{wrong}\", which is no name of a variable");
        }

        return mappings;
    }
}
