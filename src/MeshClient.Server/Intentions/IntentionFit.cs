using System.Text.Json;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.DiscoveryChains;

namespace MeshClient.Server.Intentions;

/// <summary>Whether intentions and config entries fit one another; looked at on every write of either.</summary>
internal static class IntentionFit
{
    /// <summary>Refuses an intention that the entries there are speak against.</summary>
    /// <exception cref="RequestRefusedException">It does not fit.</exception>
    public static void ThrowIfUnfit(ConfigTable config, StoredIntention intention)
    {
        if (FindProblem(config, intention) is { } problem)
        {
            throw RequestRefusedException.Invalid(problem);
        }
    }

    /// <summary>Refuses a write of entries that intentions there are speak against.</summary>
    /// <param name="config">The entries after the write.</param>
    /// <param name="kind">The kind of the entry that was written or deleted.</param>
    /// <param name="name">Its name.</param>
    /// <param name="intentions">The intentions.</param>
    /// <exception cref="RequestRefusedException">They do not fit.</exception>
    public static void ThrowIfUnfit(ConfigTable config, string kind, string name, IntentionTable intentions)
    {
        var concerned = kind switch
        {
            ConfigKinds.ServiceDefaults => intentions.ByDestination.GetValueOrDefault(name, []),
            ConfigKinds.ProxyDefaults or ConfigKinds.JwtProvider => intentions.ById.Values.OrderBy(intention => intention.Id, StringComparer.Ordinal),
            _ => (IEnumerable<StoredIntention>)[],
        };
        foreach (var intention in concerned)
        {
            ThrowIfUnfit(config, intention);
        }
    }

    private static string? FindProblem(ConfigTable config, StoredIntention intention)
    {
        if (intention.Permissions.Count > 0 && IsSaidNotToBeHttp(config, intention.Destination, out var protocol))
        {
            return $"service \"{intention.Destination}\" has protocol \"{protocol}\", which is incompatible with L7 intentions permissions";
        }

        return ProvidersOf(intention).FirstOrDefault(provider => config.Find(ConfigKinds.JwtProvider, provider) is null) is { } missing
            ? $"the JWT provider \"{missing}\" that the intention default/{intention.Source} => default/{intention.Destination} refers to does not exist"
            : null;
    }

    // Consul takes a service nobody said anything about for one that speaks TCP. Here receivers are HTTP servers, so silence is no
    // reason to refuse; what somebody wrote is.
    private static bool IsSaidNotToBeHttp(ConfigTable config, string service, out string protocol)
    {
        protocol = ChainCompiler.ProtocolOf(config, service);
        var said = config.Find<ServiceDefaultsEntry>(ConfigKinds.ServiceDefaults, service) is { } own
            ? own.Protocol
            : config.ProxyDefaults?.Protocol ?? string.Empty;
        return said.Length > 0 && !ChainCompiler.IsHttp(protocol);
    }

    private static IEnumerable<string> ProvidersOf(StoredIntention intention) =>
        intention.Permissions.Select(permission => permission.JwtJson).Append(intention.JwtJson).SelectMany(NamesIn);

    // As it was written, where case did not matter.
    private static IEnumerable<string> NamesIn(string? json)
    {
        if (json is null)
        {
            return [];
        }

        using var document = JsonDocument.Parse(json);
        return [.. PartsOf(document.RootElement, "Providers")
            .Where(providers => providers.ValueKind == JsonValueKind.Array)
            .SelectMany(providers => providers.EnumerateArray())
            .SelectMany(provider => PartsOf(provider, "Name"))
            .Where(name => name.ValueKind == JsonValueKind.String)
            .Select(name => name.GetString()!)];
    }

    private static IEnumerable<JsonElement> PartsOf(JsonElement element, string name) =>
        element.ValueKind != JsonValueKind.Object ? []
        : element.EnumerateObject()
            .Where(property => string.Equals(property.Name, name, StringComparison.OrdinalIgnoreCase))
            .Select(property => property.Value);
}
