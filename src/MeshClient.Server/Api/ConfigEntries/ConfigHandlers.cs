using System.Globalization;
using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.Filters;
using MeshClient.Server.Intentions;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.ConfigEntries;

/// <summary>Config entries. Those of the kind service-intentions are another view of the table of intentions.</summary>
internal sealed class ConfigHandlers(StateStore store, BlockingQuery queries, MeshServerOptions options, TimeProvider time)
{
    private const string DecodePrefix = "Bad request: Request decoding failed: ";

    private static readonly FilterObject<ConfigEntry> Fields = new FilterObject<ConfigEntry>()
        .Text("Kind", entry => entry.Kind)
        .Text("Name", entry => entry.Name);

    public void Map(RouteTable routes)
    {
        routes.Map("PUT", "/v1/config", RouteAccess.Asked, PutAsync);
        routes.Map("GET", "/v1/config/", RouteAccess.Filtered, GetAsync);
        routes.Map("DELETE", "/v1/config/", RouteAccess.Asked, DeleteAsync);
    }

    private async Task PutAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var (kind, name, body) = await request.DecodeAsync(ConfigDecoder.Decode, DecodePrefix).ConfigureAwait(false);
        var condition = ConditionOf(request);
        ConfigCommand command;
        if (kind == ConfigKinds.ServiceIntentions)
        {
            request.Access.DemandConfig(kind, name, [], AccessLevel.Write);
            command = new PutIntentionEntry(IntentionEntryDecoder.Decode(name, body, time.GetUtcNow()), condition);
        }
        else
        {
            var entry = ConfigValidation.ToEntry(kind, name, body);
            request.Access.DemandConfig(kind, name, entry.LinkedServices, AccessLevel.Write);
            command = new PutConfigEntry(entry, options.Datacenter, condition);
        }

        await store.ApplyAsync(command).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer => writer.WriteBooleanValue(command.Held)).ConfigureAwait(false);
    }

    private async Task GetAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var (kind, name) = PathOf(request);
        if (kind.Length == 0 && name is null)
        {
            await ListAsync(request, [Topic.Config, Topic.Intentions], state => AllOf(state)).ConfigureAwait(false);
            return;
        }

        RefuseUnknown(kind);
        if (name is null)
        {
            await ListAsync(request, [TopicOf(kind)], state => Of(state, kind)).ConfigureAwait(false);
            return;
        }

        Topic[] topics = [kind == ConfigKinds.ServiceIntentions ? Topic.Intentions : Topic.ConfigEntry(kind, name)];
        var (entry, index) = await queries
            .ReadAsync(request, topics, state => (Find(state, kind, name), topics.Max(topic => IndexOf(state, topic)))).ConfigureAwait(false);
        request.Access.DemandConfig(kind, name, [], AccessLevel.Read);
        request.SetIndex(index);
        if (entry is null)
        {
            await request.AnswerTextAsync(404, $"Config entry not found for \"{kind}\" / \"{name}\"").ConfigureAwait(false);
            return;
        }

        await request.AnswerJsonAsync(writer => Write(writer, entry)).ConfigureAwait(false);
    }

    private async Task ListAsync(ApiRequest request, Topic[] topics, Func<ServerState, IEnumerable<ConfigEntry>> read)
    {
        var filter = ReadRules.FilterOf(request, Fields);
        var (state, index) = await queries
            .ReadAsync(request, topics, state => (state, topics.Max(topic => IndexOf(state, topic)))).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var entry in read(state))
            {
                if (request.Access.ShowsConfig(entry.Kind, entry.Name) && filter?.Invoke(entry) != false)
                {
                    Write(writer, entry);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task DeleteAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var (kind, name) = PathOf(request);
        if (kind.Length == 0 || name is null)
        {
            throw RequestRefusedException.NotFound("Must provide both a kind and name to delete");
        }

        RefuseUnknown(kind);
        request.Access.DemandConfig(kind, name, [], AccessLevel.Write);
        var condition = ConditionOf(request);
        ConfigCommand command = kind == ConfigKinds.ServiceIntentions
            ? new DeleteIntentionEntry(name, condition)
            : new DeleteConfigEntry(kind, name, options.Datacenter, condition);
        await store.ApplyAsync(command).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            if (condition is not null)
            {
                writer.WriteBooleanValue(command.Held);
                return;
            }

            writer.WriteStartObject();
            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static IEnumerable<ConfigEntry> AllOf(ServerState state) =>
        state.Config.All.Concat(Of(state, ConfigKinds.ServiceIntentions)).OrderBy(entry => entry.Kind, StringComparer.Ordinal);

    private static IEnumerable<ConfigEntry> Of(ServerState state, string kind) =>
        kind == ConfigKinds.ServiceIntentions ? state.Intentions.ToEntries() : state.Config.Of(kind);

    private static ConfigEntry? Find(ServerState state, string kind, string name) =>
        kind == ConfigKinds.ServiceIntentions ? state.Intentions.ToEntry(name) : state.Config.Find(kind, name);

    private static Topic TopicOf(string kind) => kind == ConfigKinds.ServiceIntentions ? Topic.Intentions : Topic.ConfigKind(kind);

    private static ulong IndexOf(ServerState state, Topic topic) =>
        topic == Topic.Intentions ? state.Intentions.Index : state.Config.IndexOf(topic);

    /// <summary>The kind, and the name if there is one, which may be empty and may hold slashes.</summary>
    private static (string Kind, string? Name) PathOf(ApiRequest request)
    {
        var slash = request.Rest.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (request.Rest, null) : (request.Rest[..slash], request.Rest[(slash + 1)..]);
    }

    private static void RefuseUnknown(string kind)
    {
        if (!ConfigKinds.IsKnown(kind))
        {
            throw RequestRefusedException.Invalid($"invalid config entry kind: {kind}");
        }
    }

    private static ulong? ConditionOf(ApiRequest request) => request.Query("cas") switch
    {
        null or "" => null,
        var text when ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index) => index,
        var text => throw RequestRefusedException.Invalid($"strconv.ParseUint: parsing {GoText.Quote(text)}: invalid syntax"),
    };

    private static void Write(Utf8JsonWriter writer, ConfigEntry entry)
    {
        using var document = JsonDocument.Parse(entry.Json);
        writer.WriteStartObject();
        foreach (var property in document.RootElement.EnumerateObject())
        {
            property.WriteTo(writer);
        }

        writer.WriteIndexes(entry.CreateIndex, entry.ModifyIndex);
        writer.WriteEndObject();
    }
}
