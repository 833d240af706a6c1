using System.Globalization;
using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.KeyValues;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.KeyValues;

/// <summary>Keys and values.</summary>
internal sealed class KeyHandlers(StateStore store, BlockingQuery queries, MeshServerOptions options, TimeProvider time)
{
    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/kv/", RouteAccess.Asked, GetAsync);
        routes.Map("PUT", "/v1/kv/", RouteAccess.Asked, PutAsync);
        routes.Map("DELETE", "/v1/kv/", RouteAccess.Asked, DeleteAsync);
    }

    private Task GetAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.CheckConsistency(request);
        return request.Has("keys") ? ListKeysAsync(request)
            : request.Has("recurse") ? GetBelowAsync(request)
            : GetOneAsync(request);
    }

    private async Task GetOneAsync(ApiRequest request)
    {
        var key = KeyOf(request);
        request.Access.Demand(ResourceKind.Key, key, AccessLevel.Read);
        var (entry, index) = await queries
            .ReadAsync(request, [Topic.Key(key)], state => Read(state.Keys, key)).ConfigureAwait(false);
        request.SetIndex(index);
        if (entry is null)
        {
            await request.AnswerTextAsync(404, string.Empty).ConfigureAwait(false);
            return;
        }

        if (request.Has("raw"))
        {
            // The bytes are anybody's: no browser is to take them for a page of this server.
            request.SetHeader("Content-Security-Policy", "sandbox");
            request.SetHeader("X-Content-Type-Options", "nosniff");
            await request.AnswerBytesAsync(entry.Value, "text/plain").ConfigureAwait(false);
            return;
        }

        await AnswerEntriesAsync(request, [entry]).ConfigureAwait(false);
    }

    private async Task GetBelowAsync(ApiRequest request)
    {
        var (entries, index) = await ReadBelowAsync(request).ConfigureAwait(false);
        request.SetIndex(index);
        await (entries.Count == 0 ? request.AnswerTextAsync(404, string.Empty) : AnswerEntriesAsync(request, entries)).ConfigureAwait(false);
    }

    private async Task ListKeysAsync(ApiRequest request)
    {
        var (entries, index) = await ReadBelowAsync(request).ConfigureAwait(false);
        request.SetIndex(index);
        if (entries.Count == 0)
        {
            await request.AnswerTextAsync(404, string.Empty).ConfigureAwait(false);
            return;
        }

        var separator = request.Query("separator") ?? string.Empty;
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            string? last = null;
            foreach (var entry in entries)
            {
                // In order, so what ends at the same separator stands together.
                var name = CutAt(entry.Key, separator, request.Rest.Length);
                if (name != last)
                {
                    writer.WriteStringValue(name);
                    last = name;
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task PutAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var key = KeyOf(request);
        request.Access.Demand(ResourceKind.Key, key, AccessLevel.Write);
        RefuseConflict(request, "cas", "acquire", "release");
        var flags = NumberOf(request, "flags") ?? 0;
        var cas = NumberOf(request, "cas");
        var body = await request.ReadBodyAsync().ConfigureAwait(false);
        KeyCommand command =
            request.Query("acquire") is { } acquire ? new AcquireKey(key, body, flags, acquire, time.GetTimestamp())
            : request.Query("release") is { } release ? new ReleaseKey(key, body, flags, release)
            : new SetKey(key, body, flags, cas);
        await ApplyAsync(request, command).ConfigureAwait(false);
    }

    private Task DeleteAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        RefuseConflict(request, "recurse", "cas");
        if (request.Has("recurse"))
        {
            if (!request.Access.AllowsWriteBelow(ResourceKind.Key, request.Rest))
            {
                RequestAccess.Refuse();
            }

            return ApplyAsync(request, new DeleteKeysBelow(request.Rest));
        }

        var key = KeyOf(request);
        request.Access.Demand(ResourceKind.Key, key, AccessLevel.Write);
        return ApplyAsync(request, new DeleteKey(key, NumberOf(request, "cas")));
    }

    private async Task ApplyAsync(ApiRequest request, KeyCommand command)
    {
        await store.ApplyAsync(command).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer => writer.WriteBooleanValue(command.Held)).ConfigureAwait(false);
    }

    private async Task<(List<KeyEntry> Entries, ulong Index)> ReadBelowAsync(ApiRequest request)
    {
        request.Access.NeedNothing();
        var prefix = request.Rest;
        var (keys, index) = await queries
            .ReadAsync(request, [Topic.KeyPrefix(prefix)], state => (state.Keys, state.Keys.IndexBelow(prefix))).ConfigureAwait(false);
        return ([.. keys.Below(prefix).Where(entry => request.Access.Shows(ResourceKind.Key, entry.Key))], index);
    }

    private static (KeyEntry? Entry, ulong Index) Read(KeyValueState keys, string key)
    {
        var entry = keys.Find(key);
        return (entry, keys.IndexOf(entry));
    }

    private static Task AnswerEntriesAsync(ApiRequest request, IReadOnlyList<KeyEntry> entries) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartArray();
        foreach (var entry in entries)
        {
            writer.WriteKey(entry);
        }

        writer.WriteEndArray();
    });

    private static string CutAt(string key, string separator, int from)
    {
        var position = separator.Length == 0 ? -1 : key.IndexOf(separator, from, StringComparison.Ordinal);
        return position < 0 ? key : key[..(position + separator.Length)];
    }

    private static string KeyOf(ApiRequest request) =>
        request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("Missing key name");

    private static ulong? NumberOf(ApiRequest request, string name) => request.Query(name) switch
    {
        null => null,
        var text when ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) => number,
        var text => throw RequestRefusedException.Invalid($"strconv.ParseUint: parsing {JsonSerializer.Serialize(text, SentenceJson.Default.String)}: invalid syntax"),
    };

    private static void RefuseConflict(ApiRequest request, params ReadOnlySpan<string> names)
    {
        var count = 0;
        foreach (var name in names)
        {
            count += request.Has(name) ? 1 : 0;
        }

        if (count > 1)
        {
            var query = request.Http.Request.Query.OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .SelectMany(pair => pair.Value, (pair, value) => $"{Uri.EscapeDataString(pair.Key)}={Uri.EscapeDataString(value ?? string.Empty)}");
            throw RequestRefusedException.Invalid($"Conflicting flags: {string.Join('&', query)}");
        }
    }
}

/// <summary>A text in a sentence, with its quotes.</summary>
[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class SentenceJson : System.Text.Json.Serialization.JsonSerializerContext;
