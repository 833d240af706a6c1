namespace MeshClient.Server.ConfigEntries;

/// <summary>The kinds of config entries, of Consul 1.8.7 and newer.</summary>
internal static class ConfigKinds
{
    public const string ProxyDefaults = "proxy-defaults";
    public const string ServiceDefaults = "service-defaults";
    public const string ServiceRouter = "service-router";
    public const string ServiceSplitter = "service-splitter";
    public const string ServiceResolver = "service-resolver";
    public const string ServiceIntentions = "service-intentions";
    public const string JwtProvider = "jwt-provider";

    // Kinds whose entries have no effect here are kept as they came, so that tools which write them do not fail. Of those
    // that there is one of only, the name may be left out.
    private static readonly Dictionary<string, (ConfigShape? Shape, string? OnlyName)> Known = new(StringComparer.Ordinal)
    {
        [ProxyDefaults] = (ConfigSchemas.ProxyDefaults, ProxyDefaultsEntry.GlobalName),
        [ServiceDefaults] = (ConfigSchemas.ServiceDefaults, null),
        [ServiceRouter] = (ConfigSchemas.ServiceRouter, null),
        [ServiceSplitter] = (ConfigSchemas.ServiceSplitter, null),
        [ServiceResolver] = (ConfigSchemas.ServiceResolver, null),
        [ServiceIntentions] = (ConfigSchemas.ServiceIntentions, null),
        [JwtProvider] = (ConfigSchemas.JwtProvider, null),
        ["ingress-gateway"] = (null, null),
        ["terminating-gateway"] = (null, null),
        ["mesh"] = (null, "mesh"),
        ["exported-services"] = (null, "default"),
        ["sameness-group"] = (null, null),
        ["control-plane-request-limit"] = (null, null),
        ["rate-limit"] = (null, null),
        ["api-gateway"] = (null, null),
        ["http-route"] = (null, null),
        ["tcp-route"] = (null, null),
        ["inline-certificate"] = (null, null),
        ["file-system-certificate"] = (null, null),
        ["bound-api-gateway"] = (null, null),
    };

    public static bool IsKnown(string kind) => Known.ContainsKey(kind);

    /// <summary>The form of its entries; null when anything will do.</summary>
    public static ConfigShape? ShapeOf(string kind) => Known[kind].Shape;

    /// <summary>The only name an entry of this kind can have; null when it needs one of its own.</summary>
    public static string? OnlyNameOf(string kind) => Known[kind].OnlyName;
}
