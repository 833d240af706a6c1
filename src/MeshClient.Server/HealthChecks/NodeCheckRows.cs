using System.Text.Json.Serialization;
using MeshClient.Server.State;

namespace MeshClient.Server.HealthChecks;

/// <summary>Stored checks of the node, by id. Its sign of life is made anew by each run.</summary>
internal sealed class NodeCheckRows() : JsonRows<CheckRecord, CheckRecord>("node-checks", CheckJsonContext.Default.CheckRecord)
{
    protected override IEnumerable<KeyValuePair<string, CheckRecord>> All(ServerState state) =>
        state.Catalog.NodeChecks.Where(check => check.Key != CheckRecord.NodeAliveId);

    protected override ServerState Restore(ServerState state, string key, CheckRecord record, RestoreContext context) =>
        state with { Catalog = state.Catalog.WithNodeCheck(record, context.Change) };

    protected override CheckRecord ToDocument(CheckRecord record, StateSeal seal) => record;

    protected override CheckRecord FromDocument(CheckRecord document, RestoreContext context) => document with { StatusSince = context.Now };
}

/// <summary>How checks are read and written.</summary>
[JsonSourceGenerationOptions(
    UseStringEnumConverter = true, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CheckRecord))]
internal sealed partial class CheckJsonContext : JsonSerializerContext;
