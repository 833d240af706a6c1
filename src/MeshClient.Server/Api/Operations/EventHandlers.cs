using System.Text.Json;
using System.Text.RegularExpressions;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.Events;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Operations;

/// <summary>User events. They are listed to whoever asks, and delivered to nobody: there is no gossip to carry them.</summary>
internal sealed class EventHandlers(StateStore store, EventLog events, BlockingQuery queries, MeshServerOptions options)
{
    /// <summary>How long name and payload may be together (Consul's default).</summary>
    private const int MaxBytes = 512;

    public void Map(RouteTable routes)
    {
        routes.Map("PUT", "/v1/event/fire/", RouteAccess.NeedsOnRest(ResourceKind.Event, AccessLevel.Write), FireAsync);
        routes.Map("GET", "/v1/event/list", RouteAccess.Filtered, ListAsync);
    }

    private async Task FireAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid("Missing name");
        }

        var (node, service, tag) = (FilterOf(request, "node"), FilterOf(request, "service"), FilterOf(request, "tag"));
        if (tag is not null && service is null)
        {
            throw RequestRefusedException.Invalid("Cannot provide tag filter without service filter");
        }

        var payload = await request.ReadBodyAsync().ConfigureAwait(false);
        if (System.Text.Encoding.UTF8.GetByteCount(request.Rest) + payload.Length > MaxBytes)
        {
            throw RequestRefusedException.Invalid($"user event exceeds configured limit of {MaxBytes} bytes before encoding");
        }

        var fired = new UserEvent(Guid.NewGuid(), request.Rest, payload, TextOf(node), TextOf(service), TextOf(tag), 0);
        if (Concerns(store.Current.Catalog, node, service, tag))
        {
            events.Add(fired);
        }

        await request.AnswerJsonAsync(writer => Write(writer, fired)).ConfigureAwait(false);
    }

    private async Task ListAsync(ApiRequest request)
    {
        var name = request.Query("name") ?? string.Empty;
        var asked = BlockingQuery.IndexOf(request);
        var wait = BlockingQuery.WaitOf(request);
        IReadOnlyList<UserEvent> Read() =>
            [.. events.All.Where(fired => (name.Length == 0 || fired.Name == name) && request.Access.Shows(ResourceKind.Event, fired.Name))];
        var list = asked == 0
            ? Read()
            : await queries.WaitAsync(request, [Topic.Events], wait, Read, now => IndexOf(now) != asked).ConfigureAwait(false);
        request.SetHeader("X-Consul-Index", IndexOf(list).ToString(System.Globalization.CultureInfo.InvariantCulture));
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var fired in list)
            {
                Write(writer, fired);
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    // An agent lists only the events that are for it: by the filters, its node and the services on it.
    private static bool Concerns(CatalogState catalog, Regex? node, Regex? service, Regex? tag) =>
        node?.IsMatch(catalog.Node.Name) != false
        && (service is null || catalog.Instances.Values.Any(instance =>
            service.IsMatch(instance.Name) && (tag is null || instance.Definition.Tags.Any(tag.IsMatch))));

    // In time proportional to the text: the expression is anybody's.
    private static Regex Compile(string filter) => new(filter, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    private static string TextOf(Regex? filter) => filter?.ToString() ?? string.Empty;

    private static ulong IndexOf(IReadOnlyList<UserEvent> list) => list.Count == 0 ? 1 : list[^1].Index;

    private static Regex? FilterOf(ApiRequest request, string name)
    {
        var filter = request.Query(name) ?? string.Empty;
        try
        {
            return filter.Length == 0 ? null : Compile(filter);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw RequestRefusedException.Invalid($"Invalid {name} filter: error parsing regexp: `{filter}`");
        }
    }

    private static void Write(Utf8JsonWriter writer, UserEvent fired)
    {
        writer.WriteStartObject();
        writer.WriteString("ID", fired.Id);
        writer.WriteString("Name", fired.Name);
        if (fired.Payload.Length > 0)
        {
            writer.WriteBase64String("Payload", fired.Payload);
        }
        else
        {
            writer.WriteNull("Payload");
        }

        writer.WriteString("NodeFilter", fired.NodeFilter);
        writer.WriteString("ServiceFilter", fired.ServiceFilter);
        writer.WriteString("TagFilter", fired.TagFilter);
        writer.WriteNumber("Version", 1);
        writer.WriteNumber("LTime", fired.Time);
        writer.WriteEndObject();
    }
}
