using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;
using MeshClient.Server.Federation;
using MeshClient.Server.Filters;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Catalog;

/// <summary>What is registered, and how it is.</summary>
internal sealed class CatalogHandlers(BlockingQuery queries, DatacenterForwarder datacenters, MeshServerOptions options)
{
    private readonly HealthAnswers _answers = new();

    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/health/service/", RouteAccess.Filtered, request => GetHealthAsync(request, connect: false));
        routes.Map("GET", "/v1/health/connect/", RouteAccess.Filtered, request => GetHealthAsync(request, connect: true));
        routes.Map("GET", "/v1/catalog/service/", RouteAccess.Filtered, request => GetServiceAsync(request, connect: false));
        routes.Map("GET", "/v1/catalog/connect/", RouteAccess.Filtered, request => GetServiceAsync(request, connect: true));
        routes.Map("GET", "/v1/catalog/services", RouteAccess.Filtered, ListServicesAsync);
        routes.Map("GET", "/v1/catalog/datacenters", RouteAccess.Open("the names of datacenters are part of every identity"), ListDatacentersAsync);
    }

    private async Task GetHealthAsync(ApiRequest request, bool connect)
    {
        var passingOnly = ReadRules.ParseFlag(request.Query("passing"))
            ?? throw RequestRefusedException.Invalid("Invalid value for ?passing");
        var filter = ReadRules.FilterOf(request, FilterFields.Health);
        var (catalog, group) = await FindGroupAsync(request, connect).ConfigureAwait(false);
        if (group is null || filter is not null || !IsPlain(request) || !ShowsAll(request.Access, group))
        {
            await request.AnswerJsonAsync(writer => WriteHealth(writer, passingOnly, filter, Select(request, catalog, group))).ConfigureAwait(false);
            return;
        }

        await request.AnswerJsonAsync(_answers.Get(catalog, group, connect, passingOnly, () =>
        {
            using var buffer = JsonAnswer.Write(
                writer => WriteHealth(writer, passingOnly, null, group.Instances.Select(instance => (catalog.NodeOf(instance), instance))), pretty: false);
            return new WrittenJson(buffer.Written.ToArray());
        })).ConfigureAwait(false);
    }

    // Asked as everybody asks.
    private static bool IsPlain(ApiRequest request) => !request.Has("pretty") && !request.Has("tag") && !request.Has("node-meta");

    private static bool ShowsAll(RequestAccess access, ServiceGroup group)
    {
        if (access.AllowsAll())
        {
            return true;
        }

        foreach (var instance in group.Instances)
        {
            if (!access.ShowsInstance(instance.Node, instance.Name))
            {
                return false;
            }
        }

        return true;
    }

    private static void WriteHealth(
        Utf8JsonWriter writer, bool passingOnly, Predicate<HealthSubject>? filter, IEnumerable<(NodeEntry Node, InstanceRecord Instance)> instances)
    {
        writer.WriteStartArray();
        foreach (var (node, instance) in instances)
        {
            if ((!passingOnly || (AllPass(instance.Checks) && AllPass(node.Checks.Values)))
                && filter?.Invoke(new HealthSubject(node.Node, instance, node.Checks.Values)) != false)
            {
                writer.WriteHealthEntry(node, instance);
            }
        }

        writer.WriteEndArray();
    }

    private async Task GetServiceAsync(ApiRequest request, bool connect)
    {
        var filter = ReadRules.FilterOf(request, FilterFields.CatalogEntry);
        var (catalog, group) = await FindGroupAsync(request, connect).ConfigureAwait(false);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var (node, instance) in Select(request, catalog, group))
            {
                if (filter?.Invoke(new InstanceSubject(node.Node, instance)) != false)
                {
                    writer.WriteCatalogEntry(node.Node, instance);
                }
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    // What is asked for by tag and node, and may be seen.
    private static IEnumerable<(NodeEntry Node, InstanceRecord Instance)> Select(ApiRequest request, CatalogState catalog, ServiceGroup? group)
    {
        foreach (var instance in group?.Instances ?? [])
        {
            var node = catalog.NodeOf(instance);
            if (MatchesTags(request, instance) && ReadRules.MatchesNodeMeta(request, node.Node)
                && request.Access.ShowsInstance(instance.Node, instance.Name))
            {
                yield return (node, instance);
            }
        }
    }

    private async Task<(CatalogState Catalog, ServiceGroup? Group)> FindGroupAsync(ApiRequest request, bool connect)
    {
        var name = request.Rest;
        if (name.Length == 0)
        {
            throw RequestRefusedException.Invalid("Missing service name");
        }

        ReadRules.CheckRead(request, options.Datacenter);
        var (found, index) = await queries.ReadAsync(
            request,
            [connect ? Topic.Connect(name) : Topic.Service(name)],
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
        ReadRules.CheckRead(request, options.Datacenter);
        var filter = ReadRules.FilterOf(request, FilterFields.CatalogEntry);
        var (catalog, index) = await queries
            .ReadAsync(request, [Topic.Services], state => (state.Catalog, state.Catalog.ServicesIndex)).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            foreach (var group in catalog.Services.Values)
            {
                if (!request.Access.Shows(ResourceKind.Service, group.Name))
                {
                    continue;
                }

                var instances = group.Instances
                    .Where(instance => ReadRules.MatchesNodeMeta(request, catalog.NodeOf(instance).Node)
                        && filter?.Invoke(new InstanceSubject(catalog.NodeOf(instance).Node, instance)) != false)
                    .ToList();
                if (instances.Count == 0)
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

    private Task ListDatacentersAsync(ApiRequest request) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartArray();
        foreach (var name in datacenters.Names)
        {
            writer.WriteStringValue(name);
        }

        writer.WriteEndArray();
    });

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
}
