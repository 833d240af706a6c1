using System.Text.Json;
using System.Text.Json.Nodes;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.Intentions;

namespace MeshClient.Server.Api;

/// <summary>Reads service-intentions entries, whose sources are intentions.</summary>
internal static class IntentionEntryDecoder
{
    /// <summary>Reads an entry that is in its one form already.</summary>
    /// <exception cref="RequestRefusedException">It makes no sense.</exception>
    public static IntentionEntryInput Decode(string name, JsonObject body, DateTimeOffset now)
    {
        using var document = JsonDocument.Parse(ConfigJson.ToText(body));
        var entry = document.RootElement;
        if (name.Length == 0)
        {
            throw RequestRefusedException.Invalid("Name is required");
        }

        var sources = entry.Items("Sources").ToList();
        if (sources.Count == 0)
        {
            throw RequestRefusedException.Invalid("At least one source is required");
        }

        var meta = MapOf(entry, "Meta");
        if (!IntentionModeMeta.TryParse(meta.FirstOrDefault(pair => pair.Key == IntentionModeMeta.Key).Value, out _))
        {
            throw RequestRefusedException.Invalid(IntentionDecoder.WrongMode);
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < sources.Count; i++)
        {
            if (!seen.Add(sources[i].Text("Name")))
            {
                throw RequestRefusedException.Invalid($"Sources[{i}] defines \"{sources[i].Text("Name")}\" more than once");
            }
        }

        return new IntentionEntryInput(
            name,
            [
                .. sources.Select(source => IntentionDecoder.ToIntention(
                    IntentionDecoder.DecodeSource(source, name, entry.Json("JWT")), Guid.NewGuid().ToString(), now)),
            ],
            meta);
    }

    /// <summary>A map of texts that is in its one form already.</summary>
    public static EquatableArray<KeyValuePair<string, string>> MapOf(JsonElement element, string name) =>
        EquatableArray.From(element.Pairs(name).Select(pair => new KeyValuePair<string, string>(pair.Name, pair.Value.GetString()!)));
}
