using System.Text.Json.Serialization;
using MeshClient.Server.State;

namespace MeshClient.Server.Catalog;

/// <summary>The stored id of the node. Its name, address and datacenter are those of the options at each start.</summary>
internal sealed class NodeRows() : JsonRows<NodeRecord, NodeDocument>("nodes", NodeJsonContext.Default.NodeDocument)
{
    /// <summary>The key of the server's own node.</summary>
    public const string OwnKey = "self";

    protected override IEnumerable<KeyValuePair<string, NodeRecord>> All(ServerState state) => [new(OwnKey, state.Catalog.Node)];

    protected override ServerState Restore(ServerState state, string key, NodeRecord record, RestoreContext context) =>
        state with { Catalog = state.Catalog with { Node = state.Catalog.Node with { Id = record.Id } } };

    protected override NodeDocument ToDocument(NodeRecord record, StateSeal seal) => new() { Id = record.Id };

    protected override NodeRecord FromDocument(NodeDocument document, RestoreContext context) =>
        new(document.Id, string.Empty, string.Empty, string.Empty, 0, 0);
}

/// <summary>A node as stored.</summary>
internal sealed class NodeDocument
{
    public required string Id { get; init; }
}

/// <summary>How nodes are read and written.</summary>
[JsonSourceGenerationOptions(RespectNullableAnnotations = true)]
[JsonSerializable(typeof(NodeDocument))]
internal sealed partial class NodeJsonContext : JsonSerializerContext;
