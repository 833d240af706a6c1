using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.Filters;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Catalog;

/// <summary>The checks of a node, of a service, or in a state.</summary>
internal sealed class CheckListHandlers(BlockingQuery queries, MeshServerOptions options)
{
    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/health/node/", RouteAccess.Filtered, request => AnswerAsync(
            request, "Missing node name", catalog => catalog.Nodes.TryGetValue(request.Rest, out var entry) ? AllOf(entry) : []));
        routes.Map("GET", "/v1/health/checks/", RouteAccess.Filtered, request => AnswerAsync(
            request, "Missing service name", catalog => OfService(catalog, request.Rest)));
        routes.Map("GET", "/v1/health/state/", RouteAccess.Filtered, request => AnswerAsync(
            request, "Missing check state", catalog => InState(catalog, request.Rest)));
    }

    private async Task AnswerAsync(ApiRequest request, string missing, Func<CatalogState, IEnumerable<CheckSubject>> find)
    {
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid(missing);
        }

        ReadRules.CheckRead(request, options.Datacenter);
        var filter = ReadRules.FilterOf(request, FilterFields.Check);
        var (catalog, index) = await queries
            .ReadAsync(request, [Topic.Checks], state => (state.Catalog, state.Catalog.ChecksIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var found in find(catalog))
            {
                if (ReadRules.MatchesNodeMeta(request, found.Node)
                    && request.Access.ShowsCheck(found.Node.Name, found.Instance?.Name ?? string.Empty)
                    && filter?.Invoke(found) != false)
                {
                    writer.WriteCheck(found.Node, found.Instance, found.Check, withIndexes: true);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private static IEnumerable<CheckSubject> AllOf(NodeEntry entry) =>
        entry.AllChecks().Select(found => new CheckSubject(entry.Node, found.Instance, found.Check));

    private static IEnumerable<CheckSubject> OfService(CatalogState catalog, string name) =>
        catalog.Services.TryGetValue(name, out var group)
            ? group.Instances.SelectMany(instance => instance.Checks.Select(check => new CheckSubject(catalog.NodeOf(instance).Node, instance, check)))
            : [];

    private static IEnumerable<CheckSubject> InState(CatalogState catalog, string state)
    {
        var all = catalog.Nodes.Values.SelectMany(AllOf);
        return state == "any" ? all
            : CheckStatusText.TryParse(state, out var status) ? all.Where(found => found.Check.Status == status)
            : [];
    }
}
