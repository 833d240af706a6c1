using MeshClient.Server.ConfigEntries;

namespace MeshClient.Server.AccessControl;

/// <summary>
/// The rights config entries take, as in Consul: entries about one service the right on that service, and to lead calls on to
/// others the right to read those; intentions the right on the intentions of their destination. What concerns all takes the
/// operator's right to be written, and can be read by everybody who may ask.
/// </summary>
internal static class ConfigRights
{
    /// <summary>Refuses unless an entry may be read or written.</summary>
    /// <param name="access">What the sender may do.</param>
    /// <param name="kind">The kind of the entry.</param>
    /// <param name="name">Its name.</param>
    /// <param name="linked">The services it leads calls on to, for a write.</param>
    /// <param name="level">How much is to be done.</param>
    public static void DemandConfig(this RequestAccess access, string kind, string name, IEnumerable<string> linked, AccessLevel level)
    {
        if (!access.AllowsConfig(kind, name, level))
        {
            RequestAccess.Refuse();
        }

        foreach (var service in linked.Where(service => service.Length > 0).Distinct(StringComparer.Ordinal))
        {
            access.Demand(ResourceKind.Service, service, AccessLevel.Read);
        }
    }

    /// <summary>Whether an entry of a list may be seen.</summary>
    public static bool ShowsConfig(this RequestAccess access, string kind, string name) => Right(kind) switch
    {
        { } resource => access.Shows(resource, name),
        null => true,
    };

    private static bool AllowsConfig(this RequestAccess access, string kind, string name, AccessLevel level)
    {
        if (Right(kind) is { } resource)
        {
            return access.Allows(resource, name, level);
        }

        access.NeedNothing();
        return level == AccessLevel.Read || access.Allows(ResourceKind.Operator, string.Empty, level);
    }

    private static ResourceKind? Right(string kind) => kind switch
    {
        ConfigKinds.ServiceDefaults or ConfigKinds.ServiceRouter or ConfigKinds.ServiceSplitter or ConfigKinds.ServiceResolver
            => ResourceKind.Service,
        ConfigKinds.ServiceIntentions => ResourceKind.Intention,
        _ => null,
    };
}
