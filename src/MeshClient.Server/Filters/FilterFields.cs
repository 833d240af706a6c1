using System.Text.Json;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.Intentions;

namespace MeshClient.Server.Filters;

/// <summary>A check with what it belongs to; a check of the node itself has no instance.</summary>
internal readonly record struct CheckSubject(NodeRecord Node, InstanceRecord? Instance, CheckRecord Check);

/// <summary>An instance on its node.</summary>
internal readonly record struct InstanceSubject(NodeRecord Node, InstanceRecord Instance)
{
    public ServiceDefinition Service => Instance.Definition;
}

/// <summary>An instance on its node, with all its checks.</summary>
internal readonly record struct HealthSubject(NodeRecord Node, InstanceRecord Instance, IEnumerable<CheckRecord> NodeChecks)
{
    public IEnumerable<CheckSubject> Checks()
    {
        foreach (var check in NodeChecks)
        {
            yield return new CheckSubject(Node, null, check);
        }

        foreach (var check in Instance.Checks)
        {
            yield return new CheckSubject(Node, Instance, check);
        }
    }
}

/// <summary>What filters can select, for each kind of answer: the fields Consul 1.8.7 lets through, under its names.</summary>
internal static class FilterFields
{
    private static readonly FilterObject<TaggedAddress> Address = new FilterObject<TaggedAddress>()
        .Text("Address", address => address.Address)
        .Number("Port", address => address.Port);

    private static readonly FilterObject<ServiceWeights> Weights = new FilterObject<ServiceWeights>()
        .Number("Passing", weights => weights.Passing)
        .Number("Warning", weights => weights.Warning);

    private static readonly FilterObject<bool> Connect = new FilterObject<bool>().Flag("Native", native => native);

    private static readonly FilterObject<JsonElement> MeshGateway = new FilterObject<JsonElement>().Text("Mode", Text("Mode"));

    private static readonly FilterObject<JsonElement> Upstream = new FilterObject<JsonElement>()
        .Text("DestinationType", Text("DestinationType"))
        .Text("DestinationNamespace", Text("DestinationNamespace"))
        .Text("DestinationName", Text("DestinationName"))
        .Text("Datacenter", Text("Datacenter"))
        .Text("LocalBindAddress", Text("LocalBindAddress"))
        .Number("LocalBindPort", Number("LocalBindPort"))
        .Object("MeshGateway", element => Part(element, "MeshGateway"), MeshGateway);

    private static readonly FilterObject<JsonElement> Expose = new FilterObject<JsonElement>()
        .Flag("Checks", Flag("Checks"))
        .List("Paths", element => Items(Part(element, "Paths")), new FilterObject<JsonElement>()
            .Number("ListenerPort", Number("ListenerPort"))
            .Text("Path", Text("Path"))
            .Number("LocalPathPort", Number("LocalPathPort"))
            .Text("Protocol", Text("Protocol"))
            .Flag("ParsedFromCheck", Flag("ParsedFromCheck")));

    // Of an instance without one it is as if all were empty.
    private static readonly FilterObject<ProxyDefinition?> Proxy = new FilterObject<ProxyDefinition?>()
        .Text("DestinationServiceName", proxy => proxy?.DestinationServiceName ?? string.Empty)
        .Text("DestinationServiceID", proxy => proxy?.DestinationServiceId ?? string.Empty)
        .Text("LocalServiceAddress", proxy => proxy?.LocalServiceAddress ?? string.Empty)
        .Number("LocalServicePort", proxy => proxy?.LocalServicePort ?? 0)
        .List("Upstreams", proxy => Items(Parse(proxy?.UpstreamsJson)), Upstream)
        .Object("MeshGateway", proxy => Parse(proxy?.MeshGatewayJson), MeshGateway)
        .Object("Expose", proxy => Parse(proxy?.ExposeJson), Expose);

    public static readonly FilterObject<NodeRecord> Node = new FilterObject<NodeRecord>()
        .Text("ID", node => node.Id)
        .Text("Node", node => node.Name)
        .Text("Address", node => node.Address)
        .Text("Datacenter", node => node.Datacenter)
        .TextMap("TaggedAddresses", node => node.TaggedAddresses)
        .TextMap("Meta", node => node.Meta);

    public static readonly FilterObject<ServiceDefinition> Service = new FilterObject<ServiceDefinition>()
        .Text("Kind", service => service.Kind)
        .Text("ID", service => service.Id)
        .Text("Service", service => service.Name)
        .Texts("Tags", service => service.Tags)
        .TextMap("Meta", service => service.Meta)
        .Number("Port", service => service.Port)
        .Text("Address", service => service.Address)
        .Map("TaggedAddresses", service => service.AllTaggedAddresses(), Address)
        .Object("Weights", service => service.Weights, Weights)
        .Flag("EnableTagOverride", service => service.EnableTagOverride)
        .Object("Proxy", service => service.Proxy, Proxy)
        .Object("Connect", service => service.ConnectNative, Connect);

    public static readonly FilterObject<CheckSubject> Check = new FilterObject<CheckSubject>()
        .Text("Node", check => check.Node.Name)
        .Text("CheckID", check => check.Check.CheckId)
        .Text("Name", check => check.Check.Name)
        .Text("Status", check => check.Check.Status.ToText())
        .Text("Notes", check => check.Check.Notes)
        .Text("Output", check => check.Check.Output)
        .Text("ServiceID", check => check.Instance?.Id ?? string.Empty)
        .Text("ServiceName", check => check.Instance?.Name ?? string.Empty)
        .Texts("ServiceTags", check => check.Instance?.Definition.Tags ?? default)
        .Text("Type", check => check.Check.Type);

    public static readonly FilterObject<HealthSubject> Health = new FilterObject<HealthSubject>()
        .Object("Node", entry => entry.Node, Node)
        .Object("Service", entry => entry.Instance.Definition, Service)
        .List("Checks", entry => entry.Checks(), Check);

    /// <summary>The flat entries of the catalog.</summary>
    public static readonly FilterObject<InstanceSubject> CatalogEntry = new FilterObject<InstanceSubject>()
        .Text("ID", entry => entry.Node.Id)
        .Text("Node", entry => entry.Node.Name)
        .Text("Address", entry => entry.Node.Address)
        .Text("Datacenter", entry => entry.Node.Datacenter)
        .TextMap("TaggedAddresses", entry => entry.Node.TaggedAddresses)
        .TextMap("NodeMeta", entry => entry.Node.Meta)
        .Text("ServiceKind", entry => entry.Service.Kind)
        .Text("ServiceID", entry => entry.Service.Id)
        .Text("ServiceName", entry => entry.Service.Name)
        .Texts("ServiceTags", entry => entry.Service.Tags)
        .Text("ServiceAddress", entry => entry.Service.Address)
        .Map("ServiceTaggedAddresses", entry => entry.Service.AllTaggedAddresses(), Address)
        .Object("ServiceWeights", entry => entry.Service.Weights, Weights)
        .TextMap("ServiceMeta", entry => entry.Service.Meta)
        .Number("ServicePort", entry => entry.Service.Port)
        .Flag("ServiceEnableTagOverride", entry => entry.Service.EnableTagOverride)
        .Object("ServiceProxy", entry => entry.Service.Proxy, Proxy)
        .Object("ServiceConnect", entry => entry.Service.ConnectNative, Connect);

    public static readonly FilterObject<StoredIntention> Intention = new FilterObject<StoredIntention>()
        .Text("ID", intention => intention.Id)
        .Text("Description", intention => intention.Description)
        .Text("SourceNS", _ => "default")
        .Text("SourceName", intention => intention.Source)
        .Text("DestinationNS", _ => "default")
        .Text("DestinationName", intention => intention.Destination)
        .Text("SourceType", _ => "consul")
        .Text("Action", intention => intention.Action switch
        {
            IntentionAction.Allow => "allow",
            IntentionAction.Deny => "deny",
            _ => string.Empty,
        })
        .Text("DefaultAddr", _ => string.Empty)
        .Number("DefaultPort", _ => 0)
        .TextMap("Meta", intention => intention.Meta)
        .Number("Precedence", intention => intention.Precedence);

    private static JsonElement Parse(string? json)
    {
        if (json is null)
        {
            return default;
        }

        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    // Kept as it was written, where case did not matter.
    private static JsonElement Part(JsonElement element, string name)
    {
        if (element.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in element.EnumerateObject())
            {
                if (string.Equals(property.Name, name, StringComparison.OrdinalIgnoreCase))
                {
                    return property.Value;
                }
            }
        }

        return default;
    }

    private static JsonElement[] Items(JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? [.. element.EnumerateArray()] : [];

    private static Func<JsonElement, string> Text(string name) => element =>
        Part(element, name) is { ValueKind: JsonValueKind.String } part ? part.GetString()! : string.Empty;

    private static Func<JsonElement, long> Number(string name) => element =>
        Part(element, name) is { ValueKind: JsonValueKind.Number } part && part.TryGetInt64(out var number) ? number : 0;

    private static Func<JsonElement, bool> Flag(string name) => element =>
        Part(element, name).ValueKind == JsonValueKind.True;
}
