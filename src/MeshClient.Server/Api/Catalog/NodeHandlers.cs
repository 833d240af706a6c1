using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.Filters;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Catalog;

/// <summary>The nodes, and what is on one.</summary>
internal sealed class NodeHandlers(BlockingQuery queries, MeshServerOptions options)
{
    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/catalog/nodes", RouteAccess.Filtered, ListAsync);
        routes.Map("GET", "/v1/catalog/node/", RouteAccess.Filtered, GetAsync);
        routes.Map("GET", "/v1/catalog/node-services/", RouteAccess.Filtered, GetServicesAsync);
        routes.Map("GET", "/v1/internal/ui/nodes", RouteAccess.Filtered, ListForUiAsync);
        routes.Map("GET", "/v1/internal/ui/node/", RouteAccess.Filtered, GetForUiAsync);
    }

    private async Task ListAsync(ApiRequest request)
    {
        ReadRules.CheckRead(request, options.Datacenter);
        var filter = ReadRules.FilterOf(request, FilterFields.Node);
        var (catalog, index) = await queries
            .ReadAsync(request, [Topic.Nodes], state => (state.Catalog, state.Catalog.NodesIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var entry in catalog.Nodes.Values)
            {
                if (ReadRules.MatchesNodeMeta(request, entry.Node) && request.Access.Shows(ResourceKind.Node, entry.Node.Name) && filter?.Invoke(entry.Node) != false)
                {
                    writer.WriteNode(entry.Node);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task GetAsync(ApiRequest request)
    {
        var filter = ReadRules.FilterOf(request, FilterFields.Service);
        var entry = await FindAsync(request).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            if (entry is null)
            {
                writer.WriteNullValue();
                return;
            }

            writer.WriteStartObject();
            writer.WritePropertyName("Node");
            writer.WriteNode(entry.Node);
            writer.WriteStartObject("Services");
            foreach (var instance in InstancesOf(request, entry, filter))
            {
                writer.WritePropertyName(instance.Id);
                writer.WriteCatalogService(instance);
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private async Task GetServicesAsync(ApiRequest request)
    {
        var filter = ReadRules.FilterOf(request, FilterFields.Service);
        var entry = await FindAsync(request).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            if (entry is null)
            {
                writer.WriteNull("Node");
                writer.WriteNull("Services");
            }
            else
            {
                writer.WritePropertyName("Node");
                writer.WriteNode(entry.Node);
                WriteServices(writer, InstancesOf(request, entry, filter));
            }

            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private async Task ListForUiAsync(ApiRequest request)
    {
        ReadRules.CheckRead(request, options.Datacenter);
        var (catalog, index) = await queries.ReadAsync(
            request,
            [Topic.Nodes, Topic.Services, Topic.Checks],
            state => (state.Catalog, Math.Max(state.Catalog.NodesIndex, Math.Max(state.Catalog.ServicesIndex, state.Catalog.ChecksIndex)))).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var entry in catalog.Nodes.Values.Where(entry => request.Access.Shows(ResourceKind.Node, entry.Node.Name)))
            {
                WriteForUi(writer, request, entry);
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task GetForUiAsync(ApiRequest request)
    {
        var entry = await FindAsync(request).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            if (entry is null)
            {
                writer.WriteNullValue();
            }
            else
            {
                WriteForUi(writer, request, entry);
            }
        }).ConfigureAwait(false);
    }

    private async Task<NodeEntry?> FindAsync(ApiRequest request)
    {
        var name = request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("Missing node name");
        ReadRules.CheckRead(request, options.Datacenter);
        var (entry, index) = await queries.ReadAsync(
            request,
            [Topic.NodeNamed(name)],
            state =>
            {
                var found = state.Catalog.Nodes.GetValueOrDefault(name);
                return (found, found?.Index ?? state.Catalog.NodesIndex);
            }).ConfigureAwait(false);
        request.SetIndex(index);
        return entry is not null && request.Access.Shows(ResourceKind.Node, entry.Node.Name) ? entry : null;
    }

    private static IEnumerable<InstanceRecord> InstancesOf(ApiRequest request, NodeEntry entry, Predicate<ServiceDefinition>? filter) =>
        entry.Instances.Values
            .Where(instance => request.Access.Shows(ResourceKind.Service, instance.Name) && filter?.Invoke(instance.Definition) != false)
            .OrderBy(instance => instance.Id, StringComparer.Ordinal);

    private static void WriteServices(Utf8JsonWriter writer, IEnumerable<InstanceRecord> instances)
    {
        writer.WriteStartArray("Services");
        foreach (var instance in instances)
        {
            writer.WriteCatalogService(instance);
        }

        writer.WriteEndArray();
    }

    private static void WriteForUi(Utf8JsonWriter writer, ApiRequest request, NodeEntry entry)
    {
        writer.WriteStartObject();
        writer.WriteNodeHead(entry.Node, withDatacenter: false);
        writer.WriteMap("Meta", entry.Node.Meta);
        WriteServices(writer, InstancesOf(request, entry, filter: null));
        writer.WriteStartArray("Checks");
        foreach (var (check, instance) in entry.AllChecks())
        {
            if (instance is null || request.Access.Shows(ResourceKind.Service, instance.Name))
            {
                writer.WriteCheck(entry.Node, instance, check, withIndexes: true);
            }
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
