using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Catalog;

/// <summary>Stored instances with their checks, by id, and by node and id where the node is not the server's own.</summary>
internal sealed class InstanceRows() : JsonRows<InstanceRecord, InstanceDocument>("instances", InstanceJsonContext.Default.InstanceDocument)
{
    /// <summary>The key of an instance.</summary>
    public static string KeyOf(NodeRecord node, string id) => NodeRows.Below(node, id);

    protected override IEnumerable<KeyValuePair<string, InstanceRecord>> All(ServerState state) =>
        state.Catalog.Nodes.Values.SelectMany(entry => entry.Instances.Values
            .Select(instance => new KeyValuePair<string, InstanceRecord>(KeyOf(entry.Node, instance.Id), instance)));

    protected override ServerState Restore(ServerState state, string key, InstanceRecord record, RestoreContext context) =>
        state with { Catalog = state.Catalog.WithInstance(record with { Node = NodeRows.NodeOf(state.Catalog, key) }, context.Change) };

    protected override InstanceDocument ToDocument(InstanceRecord record, StateSeal seal)
    {
        var service = record.Definition;
        return new InstanceDocument
        {
            Id = service.Id,
            Name = service.Name,
            Kind = service.Kind,
            Tags = [.. service.Tags],
            Address = service.Address,
            Port = service.Port,
            TaggedAddresses = [.. service.TaggedAddresses],
            Meta = new Dictionary<string, string>(service.Meta),
            Weights = service.Weights,
            EnableTagOverride = service.EnableTagOverride,
            ConnectNative = service.ConnectNative,
            Proxy = service.Proxy,
            IsMadeSidecar = service.IsMadeSidecar,
            Checks = record.Checks,
            CreateIndex = record.CreateIndex,
            ModifyIndex = record.ModifyIndex,
        };
    }

    protected override InstanceRecord FromDocument(InstanceDocument document, RestoreContext context) => new(
        string.Empty,
        new ServiceDefinition
        {
            Id = document.Id,
            Name = document.Name,
            Kind = document.Kind,
            Tags = EquatableArray.From(document.Tags),
            Address = document.Address,
            Port = document.Port,
            TaggedAddresses = EquatableArray.From(document.TaggedAddresses),
            Meta = EquatableArray.From(document.Meta.OrderBy(pair => pair.Key, StringComparer.Ordinal)),
            Weights = document.Weights,
            EnableTagOverride = document.EnableTagOverride,
            ConnectNative = document.ConnectNative,
            Proxy = document.Proxy,
            IsMadeSidecar = document.IsMadeSidecar,
        },
        [.. document.Checks.OrderBy(check => check.CheckId, StringComparer.Ordinal).Select(check => check with { StatusSince = context.Now })],
        document.CreateIndex,
        document.ModifyIndex);
}

/// <summary>An instance with its checks, as stored.</summary>
internal sealed class InstanceDocument
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    public string Kind { get; init; } = string.Empty;

    public IReadOnlyList<string> Tags { get; init; } = [];

    public string Address { get; init; } = string.Empty;

    public int Port { get; init; }

    public IReadOnlyList<TaggedAddress> TaggedAddresses { get; init; } = [];

    public Dictionary<string, string> Meta { get; init; } = [];

    public ServiceWeights Weights { get; init; } = ServiceWeights.Default;

    public bool EnableTagOverride { get; init; }

    public bool ConnectNative { get; init; }

    public ProxyDefinition? Proxy { get; init; }

    public bool IsMadeSidecar { get; init; }

    public IReadOnlyList<CheckRecord> Checks { get; init; } = [];

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How instances are read and written.</summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(InstanceDocument))]
internal sealed partial class InstanceJsonContext : JsonSerializerContext;
