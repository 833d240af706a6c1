using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.Server.ConfigEntries;

namespace MeshClient.Server.DiscoveryChains;

/// <summary>Chains as Consul writes them; key order included.</summary>
internal static class ChainJson
{
    private static readonly string[] HeaderModifiers = ["RequestHeaders", "ResponseHeaders"];

    /// <summary>The route that takes what no other does.</summary>
    public static string CatchAllRoute(string service) => ConfigJson.ToText(new JsonObject
    {
        ["Match"] = new JsonObject { ["HTTP"] = new JsonObject { ["PathPrefix"] = "/" } },
        ["Destination"] = new JsonObject { ["Service"] = service, ["Namespace"] = "default" },
    });

    /// <summary>
    /// The definition of a leg that leads on through another splitter's: the inner one, with the headers the outer one
    /// changes changed as well, where the inner one says nothing else.
    /// </summary>
    public static string MergeLegs(string outer, string inner)
    {
        var (from, into) = (JsonNode.Parse(outer)!.AsObject(), JsonNode.Parse(inner)!.AsObject());
        foreach (var part in HeaderModifiers)
        {
            if (from[part] is not JsonObject added)
            {
                continue;
            }

            if (into[part] is not JsonObject present)
            {
                into[part] = added.DeepClone();
                continue;
            }

            foreach (var change in new[] { "Add", "Set" })
            {
                var merged = present[change] as JsonObject ?? [];
                foreach (var (name, value) in added[change] as JsonObject ?? [])
                {
                    merged.TryAdd(name, value?.DeepClone());
                }

                if (merged.Count > 0)
                {
                    present[change] = merged.DeepClone();
                }
            }

            var removed = Texts(present["Remove"]).Union(Texts(added["Remove"]), StringComparer.Ordinal).ToArray();
            if (removed.Length > 0)
            {
                present["Remove"] = new JsonArray([.. removed.Select(name => (JsonNode)name)]);
            }
        }

        return ConfigJson.ToText(into);
    }

    /// <summary>Writes a chain.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="chain">The chain.</param>
    /// <param name="trustDomain">The trust domain its targets are in.</param>
    public static void WriteChain(this Utf8JsonWriter writer, DiscoveryChain chain, string trustDomain)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("Chain");
        writer.WriteString("ServiceName", chain.Service);
        writer.WriteString("Namespace", "default");
        writer.WriteString("Datacenter", chain.Datacenter);
        if (chain.CustomizationHash is { } hash)
        {
            writer.WriteString("CustomizationHash", hash);
        }

        if (chain.IsDefault)
        {
            writer.WriteBoolean("Default", true);
        }

        writer.WriteString("Protocol", chain.Protocol);
        writer.WriteString("StartNode", chain.StartNode);
        writer.WriteStartObject("Nodes");
        foreach (var (key, node) in chain.Nodes)
        {
            writer.WritePropertyName(key);
            WriteNode(writer, node);
        }

        writer.WriteEndObject();
        writer.WriteStartObject("Targets");
        foreach (var (id, target) in chain.Targets)
        {
            writer.WritePropertyName(id);
            WriteTarget(writer, target, trustDomain);
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static IEnumerable<string> Texts(JsonNode? list) => (list as JsonArray ?? []).Select(item => item!.GetValue<string>());

    private static void WriteNode(Utf8JsonWriter writer, ChainNode node)
    {
        writer.WriteStartObject();
        writer.WriteString("Type", node.Type);
        writer.WriteString("Name", node.Name);
        string? balancer = null;
        switch (node)
        {
            case RouterNode router:
                WriteRoutes(writer, router);
                break;
            case SplitterNode splitter:
                WriteSplits(writer, splitter);
                balancer = splitter.LoadBalancer;
                break;
            case ResolverNode resolver:
                WriteResolver(writer, resolver);
                balancer = resolver.LoadBalancer;
                break;
        }

        if (balancer is not null)
        {
            writer.WritePropertyName("LoadBalancer");
            writer.WriteStored(balancer);
        }

        writer.WriteEndObject();
    }

    private static void WriteRoutes(Utf8JsonWriter writer, RouterNode router)
    {
        writer.WriteStartArray("Routes");
        foreach (var route in router.Routes)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("Definition");
            writer.WriteStored(route.Definition);
            writer.WriteString("NextNode", route.NextNode);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteSplits(Utf8JsonWriter writer, SplitterNode splitter)
    {
        writer.WriteStartArray("Splits");
        foreach (var split in splitter.Splits)
        {
            writer.WriteStartObject();
            writer.WritePropertyName("Definition");
            writer.WriteStored(split.Definition);
            // Consul keeps 32 bits of it.
            writer.WriteNumber("Weight", (float)split.Weight);
            writer.WriteString("NextNode", split.NextNode);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteResolver(Utf8JsonWriter writer, ResolverNode resolver)
    {
        writer.WriteStartObject("Resolver");
        writer.WriteString("ConnectTimeout", resolver.ConnectTimeout.ToString());
        if (resolver.RequestTimeout.Nanoseconds > 0)
        {
            // A number of nanoseconds, other than the one above.
            writer.WriteNumber("RequestTimeout", resolver.RequestTimeout.Nanoseconds);
        }

        if (resolver.IsDefault)
        {
            writer.WriteBoolean("Default", true);
        }

        writer.WriteString("Target", resolver.Target);
        if (resolver.Failover is { } failover)
        {
            writer.WriteStartObject("Failover");
            writer.WriteStartArray("Targets");
            foreach (var target in failover.Targets)
            {
                writer.WriteStringValue(target);
            }

            writer.WriteEndArray();
            if (failover.Policy is { } policy)
            {
                writer.WritePropertyName("Policy");
                writer.WriteStored(policy);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private static void WriteTarget(Utf8JsonWriter writer, ChainTarget target, string trustDomain)
    {
        var (service, subset, datacenter) = target.Place;
        writer.WriteStartObject();
        writer.WriteString("ID", target.Place.Id);
        writer.WriteString("Service", service);
        if (subset.Length > 0)
        {
            writer.WriteString("ServiceSubset", subset);
        }

        writer.WriteString("Namespace", "default");
        writer.WriteString("Datacenter", datacenter);
        writer.WriteStartObject("MeshGateway");
        if (target.MeshGatewayMode.Length > 0)
        {
            writer.WriteString("Mode", target.MeshGatewayMode);
        }

        writer.WriteEndObject();
        writer.WriteStartObject("Subset");
        if (target.Subset.Filter.Length > 0)
        {
            writer.WriteString("Filter", target.Subset.Filter);
        }

        if (target.Subset.OnlyPassing)
        {
            writer.WriteBoolean("OnlyPassing", true);
        }

        writer.WriteEndObject();
        if (target.ExternalSni.Length > 0)
        {
            writer.WriteBoolean("External", true);
        }

        var name = $"{target.Place.Id}.internal.{trustDomain}";
        writer.WriteString("SNI", target.ExternalSni.Length > 0 ? target.ExternalSni : name);
        writer.WriteString("Name", name);
        if (target.PrioritizeByLocality is { } locality)
        {
            writer.WritePropertyName("PrioritizeByLocality");
            writer.WriteStored(locality);
        }

        writer.WriteEndObject();
    }
}
