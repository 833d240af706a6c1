using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Catalog;

/// <summary>The summary of services that Consul's web page shows.</summary>
internal sealed class UiServiceHandlers(BlockingQuery queries, MeshServerOptions options)
{
    public void Map(RouteTable routes) => routes.Map("GET", "/v1/internal/ui/services", RouteAccess.Filtered, ListAsync);

    private async Task ListAsync(ApiRequest request)
    {
        ReadRules.CheckRead(request, options.Datacenter);
        var (catalog, index) = await queries.ReadAsync(
            request,
            [Topic.Services, Topic.Checks],
            state => (state.Catalog, Math.Max(state.Catalog.ServicesIndex, state.Catalog.ChecksIndex))).ConfigureAwait(false);
        request.SetIndex(index);
        await request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartArray();
            foreach (var group in catalog.Services.Values.Where(group => request.Access.Shows(ResourceKind.Service, group.Name)))
            {
                Write(writer, catalog, group);
            }

            writer.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private static void Write(Utf8JsonWriter writer, CatalogState catalog, ServiceGroup group)
    {
        var instances = group.Instances.ToList();
        var checks = instances
            .SelectMany(instance => instance.Checks.Concat(catalog.NodeOf(instance).Checks.Values)
                .Select(check => (instance.Node, check.CheckId, check.Status)))
            .Distinct()
            .ToLookup(check => check.Status);
        var kind = instances[0].Definition.Kind;
        writer.WriteStartObject();
        if (kind.Length > 0)
        {
            writer.WriteString("Kind", kind);
        }

        writer.WriteString("Name", group.Name);
        WriteTexts(writer, "Tags", instances.SelectMany(instance => (IEnumerable<string>)instance.Definition.Tags).Distinct().Order(StringComparer.Ordinal));
        WriteTexts(writer, "Nodes", instances.Select(instance => instance.Node));
        writer.WriteNumber("InstanceCount", instances.Count);
        var proxied = instances.Select(instance => instance.Definition.Proxy?.DestinationServiceName).OfType<string>().Where(name => name.Length > 0).Distinct().ToList();
        if (proxied.Count > 0)
        {
            WriteTexts(writer, "ProxyFor", proxied);
        }

        writer.WriteNumber("ChecksPassing", checks[CheckStatus.Passing].Count());
        writer.WriteNumber("ChecksWarning", checks[CheckStatus.Warning].Count());
        writer.WriteNumber("ChecksCritical", checks[CheckStatus.Critical].Count());
        writer.WriteNull("ExternalSources");
        writer.WriteStartObject("GatewayConfig");
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    // As Consul has it: no tags are null, not an empty list.
    private static void WriteTexts(Utf8JsonWriter writer, string name, IEnumerable<string> texts)
    {
        var list = texts.ToList();
        if (list.Count == 0)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartArray(name);
        list.ForEach(writer.WriteStringValue);
        writer.WriteEndArray();
    }
}
