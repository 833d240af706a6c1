using System.Text.Json;
using System.Text.Json.Serialization;
using MeshClient.Server.State;

namespace MeshClient.Server.ConfigEntries;

/// <summary>Stored config entries, by kind and name.</summary>
internal sealed class ConfigRows() : JsonRows<ConfigEntry, ConfigDocument>("config", ConfigJsonContext.Default.ConfigDocument)
{
    protected override IEnumerable<KeyValuePair<string, ConfigEntry>> All(ServerState state) =>
        state.Config.All.Select(entry => new KeyValuePair<string, ConfigEntry>(ConfigTable.KeyOf(entry), entry));

    protected override ServerState Restore(ServerState state, string key, ConfigEntry entry, RestoreContext context) =>
        state with { Config = state.Config.With(entry, context.Change) };

    protected override ConfigDocument ToDocument(ConfigEntry entry, StateSeal seal)
    {
        using var body = JsonDocument.Parse(entry.Json);
        return new ConfigDocument
        {
            Kind = entry.Kind,
            Name = entry.Name,
            Body = body.RootElement.Clone(),
            CreateIndex = entry.CreateIndex,
            ModifyIndex = entry.ModifyIndex,
        };
    }

    protected override ConfigEntry FromDocument(ConfigDocument document, RestoreContext context)
    {
        if (!ConfigKinds.IsKnown(document.Kind))
        {
            throw new InvalidDataException($"'{document.Kind}' is no kind of config entry this version knows");
        }

        return ConfigEntry.Create(document.Kind, document.Name, document.Body.GetRawText()) with
        {
            CreateIndex = document.CreateIndex,
            ModifyIndex = document.ModifyIndex,
        };
    }
}

/// <summary>A config entry.</summary>
internal sealed class ConfigDocument
{
    public required string Kind { get; init; }

    public required string Name { get; init; }

    public required JsonElement Body { get; init; }

    public required ulong CreateIndex { get; init; }

    public required ulong ModifyIndex { get; init; }
}

/// <summary>How the rows are read and written.</summary>
[JsonSourceGenerationOptions(RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ConfigDocument))]
internal sealed partial class ConfigJsonContext : JsonSerializerContext;
