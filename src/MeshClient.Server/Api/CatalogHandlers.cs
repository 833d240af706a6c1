using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.Filters;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api;

/// <summary>What is registered, and how it is.</summary>
internal sealed class CatalogHandlers(BlockingQuery queries, MeshServerOptions options)
{
    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/health/service/", RouteAccess.Filtered, request => GetHealthAsync(request, connect: false));
        routes.Map("GET", "/v1/health/connect/", RouteAccess.Filtered, request => GetHealthAsync(request, connect: true));
        routes.Map("GET", "/v1/catalog/service/", RouteAccess.Filtered, request => GetServiceAsync(request, connect: false));
        routes.Map("GET", "/v1/catalog/connect/", RouteAccess.Filtered, request => GetServiceAsync(request, connect: true));
        routes.Map("GET", "/v1/catalog/services", RouteAccess.Filtered, ListServicesAsync);
        routes.Map("GET", "/v1/catalog/nodes", RouteAccess.Filtered, ListNodesAsync);
        routes.Map("GET", "/v1/catalog/datacenters", RouteAccess.Open("the names of datacenters are part of every identity"), ListDatacentersAsync);
    }

    private async Task GetHealthAsync(ApiRequest request, bool connect)
    {
        var passingOnly = ReadRules.ParseFlag(request.Query("passing"))
            ?? throw RequestRefusedException.Invalid("Invalid value for ?passing");
        var filter = ReadRules.FilterOf(request, FilterFields.Health);
        var (catalog, group) = await FindGroupAsync(request, connect).ConfigureAwait(false);
        var hidden = !MatchesNode(request, catalog.Node) || (passingOnly && !AllPass(catalog.NodeChecks.Values));
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var instance in hidden ? [] : group?.Instances ?? [])
            {
                if ((!passingOnly || AllPass(instance.Checks)) && MatchesTags(request, instance)
                    && request.Access.ShowsInstance(catalog.Node.Name, instance.Name)
                    && filter?.Invoke(new HealthSubject(catalog.Node, instance, catalog.NodeChecks.Values)) != false)
                {
                    writer.WriteHealthEntry(catalog, instance);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task GetServiceAsync(ApiRequest request, bool connect)
    {
        var filter = ReadRules.FilterOf(request, FilterFields.CatalogEntry);
        var (catalog, group) = await FindGroupAsync(request, connect).ConfigureAwait(false);
        var hidden = !MatchesNode(request, catalog.Node);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var instance in hidden ? [] : group?.Instances ?? [])
            {
                if (MatchesTags(request, instance) && request.Access.ShowsInstance(catalog.Node.Name, instance.Name)
                    && filter?.Invoke(new InstanceSubject(catalog.Node, instance)) != false)
                {
                    writer.WriteCatalogEntry(catalog.Node, instance);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private async Task<(CatalogState Catalog, ServiceGroup? Group)> FindGroupAsync(ApiRequest request, bool connect)
    {
        var name = request.Rest;
        if (name.Length == 0)
        {
            throw RequestRefusedException.Invalid("Missing service name");
        }

        CheckRead(request);
        var (found, index) = await queries.ReadAsync(
            request,
            [connect ? Topic.Connect(name) : Topic.Service(name), Topic.Node],
            state =>
            {
                var catalog = state.Catalog;
                var group = (connect ? catalog.Connect : catalog.Services).GetValueOrDefault(name);
                return ((catalog, group), catalog.IndexOf(group));
            }).ConfigureAwait(false);
        request.SetIndex(index);
        return found;
    }

    private async Task ListServicesAsync(ApiRequest request)
    {
        CheckRead(request);
        var filter = ReadRules.FilterOf(request, FilterFields.CatalogEntry);
        var (catalog, index) = await queries
            .ReadAsync(request, [Topic.Services], state => (state.Catalog, state.Catalog.ServicesIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        var hidden = !MatchesNode(request, catalog.Node);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            foreach (var group in hidden ? [] : catalog.Services.Values)
            {
                if (!request.Access.Shows(ResourceKind.Service, group.Name))
                {
                    continue;
                }

                var instances = filter is null
                    ? group.Instances
                    : group.Instances.RemoveAll(instance => !filter(new InstanceSubject(catalog.Node, instance)));
                if (instances.IsEmpty)
                {
                    continue;
                }

                writer.WriteStartArray(group.Name);
                foreach (var tag in instances.SelectMany(instance => (IEnumerable<string>)instance.Definition.Tags).Distinct(StringComparer.Ordinal))
                {
                    writer.WriteStringValue(tag);
                }

                writer.WriteEndArray();
            }

            writer.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private async Task ListNodesAsync(ApiRequest request)
    {
        CheckRead(request);
        var filter = ReadRules.FilterOf(request, FilterFields.Node);
        var (node, index) = await queries
            .ReadAsync(request, [], state => (state.Catalog.Node, state.Catalog.Node.ModifyIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            if (MatchesNode(request, node) && request.Access.Shows(ResourceKind.Node, node.Name) && filter?.Invoke(node) != false)
            {
                writer.WriteNode(node);
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private Task ListDatacentersAsync(ApiRequest request) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartArray();
        writer.WriteStringValue(options.Datacenter);
        writer.WriteEndArray();
    });

    private void CheckRead(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        ReadRules.SetConsistency(request);
    }

    private static bool AllPass(IEnumerable<CheckRecord> checks)
    {
        foreach (var check in checks)
        {
            if (check.Status != CheckStatus.Passing)
            {
                return false;
            }
        }

        return true;
    }

    private static bool MatchesTags(ApiRequest request, InstanceRecord instance)
    {
        foreach (var tag in request.QueryAll("tag"))
        {
            if (!((IEnumerable<string>)instance.Definition.Tags).Contains(tag ?? string.Empty, StringComparer.OrdinalIgnoreCase))
            {
                return false;
            }
        }

        return true;
    }

    // The one node has the one pair of metadata every Consul node has.
    private static bool MatchesNode(ApiRequest request, NodeRecord node) =>
        request.QueryAll("node-meta").All(pair => pair is "consul-network-segment:" or "consul-network-segment") && node.Name.Length > 0;
}
