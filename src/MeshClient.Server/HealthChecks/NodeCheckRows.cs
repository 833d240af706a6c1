using System.Text.Json.Serialization;
using MeshClient.Server.Catalog;
using MeshClient.Server.State;

namespace MeshClient.Server.HealthChecks;

/// <summary>Stored checks of nodes, as instances are. The sign of life of the server's own node is made anew by each run.</summary>
internal sealed class NodeCheckRows() : JsonRows<CheckRecord, CheckRecord>("node-checks", CheckJsonContext.Default.CheckRecord)
{
    /// <summary>The key of a check.</summary>
    public static string KeyOf(NodeRecord node, string checkId) => NodeRows.Below(node, checkId);

    protected override IEnumerable<KeyValuePair<string, CheckRecord>> All(ServerState state) =>
        state.Catalog.Nodes.Values.SelectMany(entry => entry.Checks.Values
            .Where(check => !entry.Node.IsLocal || check.CheckId != CheckRecord.NodeAliveId)
            .Select(check => new KeyValuePair<string, CheckRecord>(KeyOf(entry.Node, check.CheckId), check)));

    protected override ServerState Restore(ServerState state, string key, CheckRecord record, RestoreContext context) =>
        state with { Catalog = state.Catalog.WithNodeCheck(NodeRows.NodeOf(state.Catalog, key), record, context.Change) };

    protected override CheckRecord ToDocument(CheckRecord record, StateSeal seal) => record;

    protected override CheckRecord FromDocument(CheckRecord document, RestoreContext context) => document with { StatusSince = context.Now };
}

/// <summary>How checks are read and written.</summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CheckRecord))]
internal sealed partial class CheckJsonContext : JsonSerializerContext;
