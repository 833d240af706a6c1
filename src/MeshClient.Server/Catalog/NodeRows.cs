using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Server.State;

namespace MeshClient.Server.Catalog;

/// <summary>
/// Stored nodes. Of the server's own only the id is stored: its name, address and datacenter are those of the options at each start.
/// </summary>
internal sealed class NodeRows() : JsonRows<NodeRecord, NodeDocument>("nodes", NodeJsonContext.Default.NodeDocument)
{
    /// <summary>The key of the server's own node.</summary>
    private const string OwnKey = "self";

    /// <summary>Parts the name of a node from what is on it; never part of either.</summary>
    private const char Separator = '\n';

    public static string KeyOf(NodeRecord node) => node.IsLocal ? OwnKey : Separator + node.Name;

    /// <summary>The key of something on a node: its id alone on the server's own, whose name may be another at the next start.</summary>
    public static string Below(NodeRecord node, string id) => node.IsLocal ? id : node.Name + Separator + id;

    /// <summary>The name of the node that something with this key is on.</summary>
    /// <exception cref="InvalidDataException">There is no such node.</exception>
    public static string NodeOf(CatalogState catalog, string key)
    {
        var end = key.IndexOf(Separator, StringComparison.Ordinal);
        var name = end < 0 ? catalog.LocalName : key[..end];
        return catalog.Nodes.TryGetValue(name, out var entry)
            ? entry.Node.Name
            : throw new InvalidDataException($"the node '{name}' it is on is not there");
    }

    protected override IEnumerable<KeyValuePair<string, NodeRecord>> All(ServerState state) =>
        state.Catalog.Nodes.Values.Select(entry => new KeyValuePair<string, NodeRecord>(KeyOf(entry.Node), entry.Node));

    protected override ServerState Restore(ServerState state, string key, NodeRecord record, RestoreContext context)
    {
        var catalog = state.Catalog;
        if (key == OwnKey)
        {
            return state with { Catalog = catalog.WithNode(catalog.Node with { Id = record.Id }, context.Change) };
        }

        return string.Equals(record.Name, catalog.LocalName, StringComparison.OrdinalIgnoreCase)
            ? throw new InvalidDataException("it is a registered node of the name the server has now; give the server another NodeName")
            : state with { Catalog = catalog.WithNode(record with { Datacenter = catalog.Node.Datacenter }, context.Change) };
    }

    protected override NodeDocument ToDocument(NodeRecord record, StateSeal seal) => record.IsLocal
        ? new NodeDocument { Id = record.Id }
        : new NodeDocument
        {
            Id = record.Id,
            Name = record.Name,
            Address = record.Address,
            Meta = [.. record.Meta],
            TaggedAddresses = [.. record.TaggedAddresses],
            CreateIndex = record.CreateIndex,
            ModifyIndex = record.ModifyIndex,
        };

    protected override NodeRecord FromDocument(NodeDocument document, RestoreContext context) =>
        new(document.Id, document.Name, document.Address, string.Empty, document.CreateIndex, document.ModifyIndex)
        {
            Meta = EquatableArray.From(document.Meta),
            TaggedAddresses = EquatableArray.From(document.TaggedAddresses),
        };
}

/// <summary>A node as stored.</summary>
internal sealed class NodeDocument
{
    public required string Id { get; init; }

    public string Name { get; init; } = string.Empty;

    public string Address { get; init; } = string.Empty;

    public IReadOnlyList<KeyValuePair<string, string>> Meta { get; init; } = [];

    public IReadOnlyList<KeyValuePair<string, string>> TaggedAddresses { get; init; } = [];

    public ulong CreateIndex { get; init; }

    public ulong ModifyIndex { get; init; }
}

/// <summary>How nodes are read and written.</summary>
[JsonSourceGenerationOptions(RespectNullableAnnotations = true)]
[JsonSerializable(typeof(NodeDocument))]
internal sealed partial class NodeJsonContext : JsonSerializerContext;
