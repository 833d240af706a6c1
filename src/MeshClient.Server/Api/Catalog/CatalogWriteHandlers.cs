using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Catalog;

/// <summary>Registration of nodes, and of what is on them, by somebody other than their own agents.</summary>
internal sealed class CatalogWriteHandlers(StateStore store, HealthMonitor monitor, MeshServerOptions options, TimeProvider time)
{
    private const string DecodePrefix = "Request decode failed: ";

    private readonly CatalogWriteDecoder _decoder = new(options.Datacenter);

    public void Map(RouteTable routes)
    {
        routes.Map("PUT", "/v1/catalog/register", RouteAccess.Asked, RegisterAsync);
        routes.Map("PUT", "/v1/catalog/deregister", RouteAccess.Asked, DeregisterAsync);
    }

    private async Task RegisterAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var command = await request
            .DecodeAsync(element => _decoder.DecodeRegistration(element, time.GetUtcNow()), DecodePrefix).ConfigureAwait(false);
        request.Access.DemandRegistration(store.Current.Catalog, command);
        await ApplyAsync(request, command, command.Node.Name).ConfigureAwait(false);
    }

    private async Task DeregisterAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var command = await request.DecodeAsync(_decoder.DecodeDeregistration, DecodePrefix).ConfigureAwait(false);
        request.Access.DemandDeregistration(store.Current.Catalog, command);
        await ApplyAsync(request, command, command.Node).ConfigureAwait(false);
    }

    private async Task ApplyAsync(ApiRequest request, StateCommand command, string node)
    {
        var before = store.Current.Catalog;
        var after = (await store.ApplyAsync(command).ConfigureAwait(false)).Catalog;
        if (string.Equals(node, after.LocalName, StringComparison.OrdinalIgnoreCase))
        {
            // A check of the server's own node may have been put in the place of one that runs.
            monitor.FollowChanges(before, after);
        }

        await request.AnswerJsonAsync(static writer => writer.WriteBooleanValue(true)).ConfigureAwait(false);
    }
}
