using System.Text.Json.Serialization;
using MeshClient.Core;
using MeshClient.Server.State;

namespace MeshClient.Server.Intentions;

/// <summary>What intentions to one destination have in common, by destination. Restored after the intentions themselves.</summary>
internal sealed class IntentionEntryRows()
    : JsonRows<IntentionEntry, IntentionEntryDocument>("intention-entries", IntentionEntryJsonContext.Default.IntentionEntryDocument)
{
    protected override IEnumerable<KeyValuePair<string, IntentionEntry>> All(ServerState state) => state.Intentions.Entries;

    protected override ServerState Restore(ServerState state, string key, IntentionEntry entry, RestoreContext context) =>
        state with { Intentions = state.Intentions.With(entry, context.Change) };

    protected override IntentionEntryDocument ToDocument(IntentionEntry entry, StateSeal seal) => new()
    {
        Destination = entry.Destination,
        Meta = entry.Meta.Count == 0 ? null : new Dictionary<string, string>(entry.Meta),
        CreateIndex = entry.CreateIndex,
        ModifyIndex = entry.ModifyIndex,
    };

    protected override IntentionEntry FromDocument(IntentionEntryDocument document, RestoreContext context) => new(document.Destination)
    {
        Meta = EquatableArray.From((document.Meta ?? []).OrderBy(pair => pair.Key, StringComparer.Ordinal)),
        CreateIndex = document.CreateIndex,
        ModifyIndex = document.ModifyIndex,
    };
}

/// <summary>What intentions to one destination have in common.</summary>
internal sealed class IntentionEntryDocument
{
    public required string Destination { get; init; }

    public Dictionary<string, string>? Meta { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How the rows are read and written.</summary>
[JsonSourceGenerationOptions(RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IntentionEntryDocument))]
internal sealed partial class IntentionEntryJsonContext : JsonSerializerContext;
