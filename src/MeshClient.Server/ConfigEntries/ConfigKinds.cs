namespace MeshClient.Server.ConfigEntries;

/// <summary>The kinds of config entries that are known, of this Consul and newer ones.</summary>
internal static class ConfigKinds
{
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "proxy-defaults", "service-defaults", "service-router", "service-splitter", "service-resolver", "ingress-gateway",
        "terminating-gateway", "service-intentions", "mesh", "exported-services", "sameness-group", "jwt-provider",
        "control-plane-request-limit", "api-gateway", "http-route", "tcp-route", "inline-certificate", "file-system-certificate",
    };

    public static bool IsKnown(string kind) => Known.Contains(kind);
}
