using MeshClient.Server.ConfigEntries;

namespace MeshClient.Server.DiscoveryChains;

/// <summary>Refuses writes after which some chain could not be compiled any more.</summary>
internal static class ChainValidation
{
    /// <summary>Compiles every chain an entry has a say in.</summary>
    /// <param name="entries">All entries, after the write.</param>
    /// <param name="kind">The kind of the entry that was written or deleted.</param>
    /// <param name="name">Its name.</param>
    /// <param name="datacenter">Where calls come from.</param>
    /// <exception cref="RequestRefusedException">One of them cannot be compiled; the sentence is Consul's.</exception>
    public static void ThrowIfBroken(ConfigTable entries, string kind, string name, string datacenter)
    {
        foreach (var service in AffectedBy(entries, kind, name))
        {
            try
            {
                ChainCompiler.Compile(entries, service, datacenter);
            }
            catch (ChainException e)
            {
                throw RequestRefusedException.Invalid(e.Message);
            }
        }
    }

    // The service itself first, so that a sentence is about what was written where it can be; then those that lead to it.
    private static IEnumerable<string> AffectedBy(ConfigTable entries, string kind, string name)
    {
        switch (kind)
        {
            case ConfigKinds.ProxyDefaults:
                return ChainEntries(entries).Select(entry => entry.Name).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
            case ConfigKinds.ServiceDefaults or ConfigKinds.ServiceRouter or ConfigKinds.ServiceSplitter or ConfigKinds.ServiceResolver:
                var leading = LeadingTo(entries, name);
                leading.Remove(name);
                return leading.Order(StringComparer.Ordinal).Prepend(name);
            default:
                return [];
        }
    }

    private static IEnumerable<ConfigEntry> ChainEntries(ConfigTable entries) =>
        entries.Of(ConfigKinds.ServiceRouter).Concat(entries.Of(ConfigKinds.ServiceSplitter)).Concat(entries.Of(ConfigKinds.ServiceResolver));

    private static HashSet<string> LeadingTo(ConfigTable entries, string name)
    {
        var sources = ChainEntries(entries)
            .SelectMany(entry => entry.LinkedServices.Where(service => service.Length > 0).Select(service => (From: entry.Name, To: service)))
            .ToLookup(link => link.To, link => link.From, StringComparer.Ordinal);
        var found = new HashSet<string>(StringComparer.Ordinal);
        var open = new Queue<string>([name]);
        while (open.TryDequeue(out var service))
        {
            if (found.Add(service))
            {
                foreach (var source in sources[service])
                {
                    open.Enqueue(source);
                }
            }
        }

        return found;
    }
}
