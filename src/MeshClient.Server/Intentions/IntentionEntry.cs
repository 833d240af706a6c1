using System.Text.Json;
using MeshClient.Core;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;
using MeshClient.Server.ConfigEntries;

namespace MeshClient.Server.Intentions;

/// <summary>
/// What the intentions to one destination have in common: the part of a service-intentions entry that is not its sources.
/// There as long as there is an intention to the destination.
/// </summary>
internal sealed record IntentionEntry(string Destination)
{
    public EquatableArray<KeyValuePair<string, string>> Meta { get; init; }

    public ulong CreateIndex { get; init; }

    /// <summary>The index of the latest change of the entry or of one of its sources.</summary>
    public ulong ModifyIndex { get; init; }

    /// <summary>The whole entry, as the kind service-intentions has it.</summary>
    /// <param name="intentions">All intentions to the destination.</param>
    public ConfigEntry ToConfigEntry(IReadOnlyList<StoredIntention> intentions)
    {
        var json = JsonAnswer.ToText(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("Kind", ConfigKinds.ServiceIntentions);
            writer.WriteString("Name", Destination);
            writer.WriteStartArray("Sources");
            foreach (var intention in intentions)
            {
                WriteSource(writer, intention);
            }

            writer.WriteEndArray();
            if (intentions.Select(intention => intention.JwtJson).FirstOrDefault(jwt => jwt is not null) is { } jwt)
            {
                writer.WritePropertyName("JWT");
                writer.WriteStored(jwt);
            }

            if (Meta.Count > 0)
            {
                writer.WriteMap("Meta", Meta);
            }

            writer.WriteEndObject();
        });
        return new StoredEntry(ConfigKinds.ServiceIntentions, Destination, json) { CreateIndex = CreateIndex, ModifyIndex = ModifyIndex };
    }

    private static void WriteSource(Utf8JsonWriter writer, StoredIntention intention)
    {
        writer.WriteStartObject();
        writer.WriteString("Name", intention.Source);
        writer.WriteVerdict(intention);
        writer.WriteNumber("Precedence", intention.Precedence);
        writer.WriteString("Type", "consul");
        if (intention.Description.Length > 0)
        {
            writer.WriteString("Description", intention.Description);
        }

        if (intention.Meta.Count > 0)
        {
            writer.WriteMap("LegacyMeta", intention.Meta);
        }

        writer.WriteEndObject();
    }
}
