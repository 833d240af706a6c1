using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.Core.Intentions;

namespace MeshClient.Server.ConfigEntries;

/// <summary>
/// Judges an entry by itself, in Consul's words where Consul refuses it too. Whether it fits the other entries is for
/// <see cref="DiscoveryChains.ChainValidation"/>.
/// </summary>
internal static class ConfigValidation
{
    private const int MaxNameLength = 512;

    private static readonly string[] TokenPlaces = ["Header", "QueryParam", "Cookie"];

    /// <summary>Judges an entry and gives it back as it is kept.</summary>
    /// <exception cref="RequestRefusedException">It makes no sense.</exception>
    public static ConfigEntry ToEntry(string kind, string name, JsonObject body)
    {
        if (kind == ConfigKinds.ServiceRouter)
        {
            WriteMethodsInUpperCase(body);
        }

        var json = ConfigJson.ToText(body);
        using var document = JsonDocument.Parse(json);
        if (FindProblem(kind, name, document.RootElement) is { } problem)
        {
            throw RequestRefusedException.Invalid(problem);
        }

        return ConfigEntry.Create(kind, name, json);
    }

    /// <summary>Whether an expression can be evaluated by those who get it: what they cannot run is refused where somebody reads it.</summary>
    public static bool IsExpression(string pattern) => LinearExpression.TryCompile(pattern, ignoreCase: false, out _);

    /// <summary>Refuses what leads out of the one namespace and partition there is, and to peers there are none of.</summary>
    public static string? FindForeign(JsonElement place, string path)
    {
        foreach (var part in new[] { "Namespace", "Partition" })
        {
            if (place.Text(part) is not ("" or "default"))
            {
                return $"{path}.{part}: only 'default' is supported";
            }
        }

        foreach (var part in new[] { "Peer", "SamenessGroup" })
        {
            if (place.Text(part).Length > 0)
            {
                return $"{path}.{part} is not supported: this server has no peers";
            }
        }

        return null;
    }

    private static string? FindProblem(string kind, string name, JsonElement body)
    {
        if (name.Length == 0)
        {
            return kind == ConfigKinds.ServiceDefaults ? "serviceName is required" : "Name is required";
        }

        if (name.Length > MaxNameLength || name.Any(char.IsControl))
        {
            return $"Name has more than {MaxNameLength} characters or a control character";
        }

        return kind switch
        {
            ConfigKinds.ServiceRouter => RouterValidation.FindProblem(body),
            ConfigKinds.ServiceSplitter => SplitterValidation.FindProblem(name, body),
            ConfigKinds.ServiceResolver => ResolverValidation.FindProblem(body),
            ConfigKinds.JwtProvider => FindProviderProblem(body),
            _ => null,
        };
    }

    private static string? FindProviderProblem(JsonElement body)
    {
        var keys = body.Part("JSONWebKeySet");
        var (local, remote) = (keys.Part("Local").Exists(), keys.Part("Remote").Exists());
        if (local == remote)
        {
            return "must specify exactly one of Local or Remote JSON Web key set";
        }

        if (remote && !Uri.TryCreate(keys.Part("Remote").Text("URI"), UriKind.Absolute, out _))
        {
            return "URI is required for a remote JWKS, and has to be a whole address";
        }

        if (local && keys.Part("Local").Text("JWKS").Length > 0 == keys.Part("Local").Text("Filename").Length > 0)
        {
            return "must specify exactly one of String or filename for local keyset";
        }

        return body.Items("Locations").Any(place => TokenPlaces.Count(part => place.Part(part).Exists()) != 1)
            ? "must set exactly one of: JWT location header, query param or cookie"
            : null;
    }

    private static void WriteMethodsInUpperCase(JsonObject router)
    {
        foreach (var route in router["Routes"]!.AsArray())
        {
            if (route?["Match"]?["HTTP"]?["Methods"] is JsonArray methods)
            {
                for (var i = 0; i < methods.Count; i++)
                {
                    methods[i] = methods[i]!.GetValue<string>().ToUpperInvariant();
                }
            }
        }
    }
}
