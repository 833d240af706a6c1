using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Catalog;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Api.Catalog;

/// <summary>Nodes, services and checks as Consul writes them; key order included.</summary>
internal static class CatalogJson
{
    /// <param name="writer">Where to.</param>
    /// <param name="node">The node.</param>
    /// <param name="emptyIsNull">Whether metadata that are none are null, as in the results of a transaction.</param>
    public static void WriteNode(this Utf8JsonWriter writer, NodeRecord node, bool emptyIsNull = false)
    {
        writer.WriteStartObject();
        WriteNodeHead(writer, node);
        WriteMap(writer, "Meta", node.Meta, emptyIsNull);
        WriteIndexes(writer, node.CreateIndex, node.ModifyIndex);
        writer.WriteEndObject();
    }

    /// <summary>A service as the agent shows it: no indexes, and only what was set.</summary>
    public static void WriteAgentService(this Utf8JsonWriter writer, ServiceDefinition service, string? contentHash = null)
    {
        writer.WriteStartObject();
        if (service.Kind.Length > 0)
        {
            writer.WriteString("Kind", service.Kind);
        }

        writer.WriteString("ID", service.Id);
        writer.WriteString("Service", service.Name);
        WriteTexts(writer, "Tags", service.Tags);
        WriteMap(writer, "Meta", service.Meta);
        writer.WriteNumber("Port", service.Port);
        writer.WriteString("Address", service.Address);
        WriteTaggedAddresses(writer, "TaggedAddresses", service);
        WriteWeights(writer, "Weights", service.Weights);
        writer.WriteBoolean("EnableTagOverride", service.EnableTagOverride);
        if (contentHash is not null)
        {
            writer.WriteString("ContentHash", contentHash);
        }

        if (service.Proxy is not null)
        {
            WriteProxy(writer, "Proxy", service.Proxy);
        }

        if (service.ConnectNative)
        {
            WriteConnect(writer, "Connect", native: true);
        }

        writer.WriteEndObject();
    }

    public static void WriteHealthEntry(this Utf8JsonWriter writer, NodeEntry node, InstanceRecord instance)
    {
        writer.WriteStartObject();
        writer.WritePropertyName("Node");
        writer.WriteNode(node.Node);
        writer.WritePropertyName("Service");
        WriteCatalogService(writer, instance);
        writer.WriteStartArray("Checks");
        foreach (var check in node.Checks.Values)
        {
            writer.WriteCheck(node.Node, null, check, withIndexes: true);
        }

        foreach (var check in instance.Checks)
        {
            writer.WriteCheck(node.Node, instance, check, withIndexes: true);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>A node and a service in one flat object.</summary>
    public static void WriteCatalogEntry(this Utf8JsonWriter writer, NodeRecord node, InstanceRecord instance)
    {
        var service = instance.Definition;
        writer.WriteStartObject();
        WriteNodeHead(writer, node);
        WriteMap(writer, "NodeMeta", node.Meta);
        writer.WriteString("ServiceKind", service.Kind);
        writer.WriteString("ServiceID", service.Id);
        writer.WriteString("ServiceName", service.Name);
        WriteTexts(writer, "ServiceTags", service.Tags);
        writer.WriteString("ServiceAddress", service.Address);
        WriteTaggedAddresses(writer, "ServiceTaggedAddresses", service);
        WriteWeights(writer, "ServiceWeights", service.Weights);
        WriteMap(writer, "ServiceMeta", service.Meta);
        writer.WriteNumber("ServicePort", service.Port);
        writer.WriteBoolean("ServiceEnableTagOverride", service.EnableTagOverride);
        WriteProxy(writer, "ServiceProxy", service.Proxy);
        WriteConnect(writer, "ServiceConnect", service.ConnectNative);
        WriteIndexes(writer, instance.CreateIndex, instance.ModifyIndex);
        writer.WriteEndObject();
    }

    /// <summary>A check; the agent shows its indexes as 0.</summary>
    public static void WriteCheck(
        this Utf8JsonWriter writer, NodeRecord node, InstanceRecord? instance, CheckRecord check, bool withIndexes, bool emptyIsNull = false)
    {
        writer.WriteStartObject();
        writer.WriteString("Node", node.Name);
        writer.WriteString("CheckID", check.CheckId);
        writer.WriteString("Name", check.Name);
        writer.WriteString("Status", check.Status.ToText());
        writer.WriteString("Notes", check.Notes);
        writer.WriteString("Output", check.Output);
        writer.WriteString("ServiceID", instance?.Id ?? string.Empty);
        writer.WriteString("ServiceName", instance?.Name ?? string.Empty);
        WriteTexts(writer, "ServiceTags", instance?.Definition.Tags ?? default, emptyIsNull);
        writer.WriteString("Type", check.Type);
        WriteRawIfSet(writer, "Definition", check.DefinitionJson.Length > 0 ? check.DefinitionJson : "{}");
        WriteIndexes(writer, withIndexes ? check.CreateIndex : 0, withIndexes ? check.ModifyIndex : 0);
        writer.WriteEndObject();
    }

    public static void WriteIndexes(this Utf8JsonWriter writer, ulong createIndex, ulong modifyIndex)
    {
        writer.WriteNumber("CreateIndex", createIndex);
        writer.WriteNumber("ModifyIndex", modifyIndex);
    }

    public static void WriteMap(this Utf8JsonWriter writer, string name, EquatableArray<KeyValuePair<string, string>> map, bool emptyIsNull = false)
    {
        if (emptyIsNull && map.Count == 0)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartObject(name);
        foreach (var (key, value) in map)
        {
            writer.WriteString(key, value);
        }

        writer.WriteEndObject();
    }

    /// <summary>What a node is, without its metadata.</summary>
    public static void WriteNodeHead(this Utf8JsonWriter writer, NodeRecord node, bool withDatacenter = true)
    {
        writer.WriteString("ID", node.Id);
        writer.WriteString("Node", node.Name);
        writer.WriteString("Address", node.Address);
        if (withDatacenter)
        {
            writer.WriteString("Datacenter", node.Datacenter);
        }

        WriteMap(writer, "TaggedAddresses", node.TaggedAddresses, emptyIsNull: true);
    }

    /// <summary>A service as the catalog shows it.</summary>
    public static void WriteCatalogService(this Utf8JsonWriter writer, InstanceRecord instance, bool emptyIsNull = false)
    {
        var service = instance.Definition;
        writer.WriteStartObject();
        if (service.Kind.Length > 0)
        {
            writer.WriteString("Kind", service.Kind);
        }

        writer.WriteString("ID", service.Id);
        writer.WriteString("Service", service.Name);
        WriteTexts(writer, "Tags", service.Tags, emptyIsNull);
        writer.WriteString("Address", service.Address);
        WriteTaggedAddresses(writer, "TaggedAddresses", service);
        WriteMap(writer, "Meta", service.Meta, emptyIsNull);
        writer.WriteNumber("Port", service.Port);
        WriteWeights(writer, "Weights", service.Weights);
        writer.WriteBoolean("EnableTagOverride", service.EnableTagOverride);
        WriteProxy(writer, "Proxy", service.Proxy);
        WriteConnect(writer, "Connect", service.ConnectNative);
        WriteIndexes(writer, instance.CreateIndex, instance.ModifyIndex);
        writer.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter writer, string name, EquatableArray<string> texts, bool emptyIsNull = false)
    {
        if (emptyIsNull && texts.Count == 0)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartArray(name);
        foreach (var text in texts)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }

    private static void WriteWeights(Utf8JsonWriter writer, string name, ServiceWeights weights)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("Passing", weights.Passing);
        writer.WriteNumber("Warning", weights.Warning);
        writer.WriteEndObject();
    }

    private static void WriteTaggedAddresses(Utf8JsonWriter writer, string name, ServiceDefinition service)
    {
        var addresses = service.AllTaggedAddresses();
        if (addresses.Count == 0)
        {
            return;
        }

        writer.WriteStartObject(name);
        foreach (var (tag, (_, address, port)) in addresses)
        {
            writer.WriteStartObject(tag);
            writer.WriteString("Address", address);
            writer.WriteNumber("Port", port);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private static void WriteConnect(Utf8JsonWriter writer, string name, bool native)
    {
        writer.WriteStartObject(name);
        if (native)
        {
            writer.WriteBoolean("Native", true);
        }

        writer.WriteEndObject();
    }

    private static void WriteProxy(Utf8JsonWriter writer, string name, ProxyDefinition? proxy)
    {
        writer.WriteStartObject(name);
        if (proxy is not null)
        {
            WriteIfSet(writer, "DestinationServiceName", proxy.DestinationServiceName);
            WriteIfSet(writer, "DestinationServiceID", proxy.DestinationServiceId);
            WriteIfSet(writer, "LocalServiceAddress", proxy.LocalServiceAddress);
            if (proxy.LocalServicePort != 0)
            {
                writer.WriteNumber("LocalServicePort", proxy.LocalServicePort);
            }

            WriteRawIfSet(writer, "Config", proxy.ConfigJson);
            WriteRawIfSet(writer, "Upstreams", proxy.UpstreamsJson);
        }

        WriteRawIfSet(writer, "MeshGateway", proxy?.MeshGatewayJson ?? "{}");
        WriteRawIfSet(writer, "Expose", proxy?.ExposeJson ?? "{}");
        writer.WriteEndObject();
    }

    private static void WriteIfSet(Utf8JsonWriter writer, string name, string value)
    {
        if (value.Length > 0)
        {
            writer.WriteString(name, value);
        }
    }

    private static void WriteRawIfSet(Utf8JsonWriter writer, string name, string? json)
    {
        if (json is null)
        {
            return;
        }

        writer.WritePropertyName(name);
        writer.WriteStored(json);
    }
}
