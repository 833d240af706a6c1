using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Agent;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Operations;

/// <summary>
/// What Consul's tools ask of a cluster. This server is one of its own: it has one member that leads, stands still at the
/// origin of the network coordinates, and joins nobody.
/// </summary>
internal sealed class ClusterHandlers(StateStore store, BlockingQuery queries, MeshServerOptions options)
{
    public void Map(RouteTable routes)
    {
        var agent = RouteAccess.NeedsOnNode(ResourceKind.Agent, AccessLevel.Write, options.NodeName);
        var operatorRead = RouteAccess.Needs(ResourceKind.Operator, AccessLevel.Read);
        var operatorWrite = RouteAccess.Needs(ResourceKind.Operator, AccessLevel.Write);
        routes.Map("PUT", "/v1/agent/reload", agent, static request => request.AnswerEmptyAsync());
        routes.Map("PUT", "/v1/agent/leave", agent, _ => throw new RequestRefusedException(
            500, "This server is a cluster of one and cannot leave it; stop its process instead."));
        routes.Map("PUT", "/v1/agent/join/", agent, _ => throw new RequestRefusedException(
            500, "This server is a cluster of one and joins no other; use a Consul cluster where several servers are needed."));
        routes.Map("PUT", "/v1/agent/force-leave/", operatorWrite, request => throw new RequestRefusedException(
            500, $"agent: No node found with name '{request.Rest}'"));
        routes.Map("GET", "/v1/operator/raft/configuration", operatorRead, GetRaftAsync);
        routes.Map("DELETE", "/v1/operator/raft/peer", operatorWrite, request => throw new RequestRefusedException(
            500, $"address \"{request.Query("address")}\" was not found in the Raft configuration"));
        routes.Map("GET", "/v1/operator/autopilot/configuration", operatorRead, GetAutopilotAsync);
        routes.Map("PUT", "/v1/operator/autopilot/configuration", operatorWrite, _ => throw new RequestRefusedException(
            500, "This server is a cluster of one: there is nothing that autopilot could be told."));
        routes.Map("GET", "/v1/operator/autopilot/health", operatorRead, GetHealthAsync);
        routes.Map("GET", "/v1/operator/keyring", RouteAccess.Needs(ResourceKind.Keyring, AccessLevel.Read), _ => throw new RequestRefusedException(
            500, "Keyring is empty (encryption not enabled)"));
        routes.Map("GET", "/v1/coordinate/nodes", RouteAccess.Filtered, GetCoordinatesAsync);
        routes.Map("GET", "/v1/coordinate/node/", RouteAccess.NeedsOnRest(ResourceKind.Node, AccessLevel.Read), GetCoordinateAsync);
        routes.Map("GET", "/v1/coordinate/datacenters", RouteAccess.Filtered, GetDatacentersAsync);
        routes.Map("PUT", "/v1/coordinate/update", RouteAccess.NeedsOnNode(ResourceKind.Node, AccessLevel.Write, options.NodeName), static request => request.AnswerEmptyAsync());
    }

    private Task GetRaftAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var node = store.Current.Catalog.Node;
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartArray("Servers");
            writer.WriteStartObject();
            writer.WriteString("ID", node.Id);
            writer.WriteString("Node", node.Name);
            writer.WriteString("Address", AgentHandlers.RpcAddressOf(node.Address));
            writer.WriteBoolean("Leader", true);
            writer.WriteString("ProtocolVersion", "3");
            writer.WriteBoolean("Voter", true);
            writer.WriteEndObject();
            writer.WriteEndArray();
            writer.WriteNumber("Index", 0);
            writer.WriteEndObject();
        });
    }

    private Task GetAutopilotAsync(ApiRequest request)
    {
        // Consul's defaults, which hold for a cluster of one as for any.
        const int maxTrailingLogs = 250;
        ReadRules.CheckDatacenter(request, options.Datacenter);
        return request.AnswerJsonAsync(static writer =>
        {
            writer.WriteStartObject();
            writer.WriteBoolean("CleanupDeadServers", true);
            writer.WriteString("LastContactThreshold", "200ms");
            writer.WriteNumber("MaxTrailingLogs", maxTrailingLogs);
            writer.WriteNumber("MinQuorum", 0);
            writer.WriteString("ServerStabilizationTime", "10s");
            writer.WriteString("RedundancyZoneTag", string.Empty);
            writer.WriteBoolean("DisableUpgradeMigration", false);
            writer.WriteString("UpgradeVersionTag", string.Empty);
            writer.WriteNumber("CreateIndex", 1);
            writer.WriteNumber("ModifyIndex", 1);
            writer.WriteEndObject();
        });
    }

    private Task GetHealthAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var state = store.Current;
        var alive = state.Catalog.NodeChecks[HealthChecks.CheckRecord.NodeAliveId];
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteBoolean("Healthy", true);
            writer.WriteNumber("FailureTolerance", 0);
            writer.WriteStartArray("Servers");
            writer.WriteStartObject();
            writer.WriteString("ID", state.Catalog.Node.Id);
            writer.WriteString("Name", state.Catalog.Node.Name);
            writer.WriteString("Address", AgentHandlers.RpcAddressOf(state.Catalog.Node.Address));
            writer.WriteString("SerfStatus", "alive");
            writer.WriteString("Version", AgentHandlers.Version);
            writer.WriteBoolean("Leader", true);
            writer.WriteString("LastContact", "0s");
            writer.WriteNumber("LastTerm", 1);
            writer.WriteNumber("LastIndex", state.Index);
            writer.WriteBoolean("Healthy", true);
            writer.WriteBoolean("Voter", true);
            writer.WriteString("StableSince", alive.StatusSince.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));
            writer.WriteEndObject();
            writer.WriteEndArray();
            writer.WriteEndObject();
        });
    }

    private async Task GetCoordinatesAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var (node, index) = await ReadAsync(request).ConfigureAwait(false);
        request.SetIndex(index);
        var shown = request.Access.Shows(ResourceKind.Node, node);
        await request.AnswerJsonAsync(writer => WriteList(writer, shown ? node : null)).ConfigureAwait(false);
    }

    private async Task GetCoordinateAsync(ApiRequest request)
    {
        ReadRules.CheckDatacenter(request, options.Datacenter);
        var (node, index) = await ReadAsync(request).ConfigureAwait(false);
        if (!string.Equals(node, request.Rest, StringComparison.OrdinalIgnoreCase))
        {
            throw RequestRefusedException.NotFound(string.Empty);
        }

        request.SetIndex(index);
        await request.AnswerJsonAsync(writer => WriteList(writer, node)).ConfigureAwait(false);
    }

    private Task GetDatacentersAsync(ApiRequest request) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartArray();
        writer.WriteStartObject();
        writer.WriteString("Datacenter", options.Datacenter);
        writer.WriteString("AreaID", "wan");
        writer.WritePropertyName("Coordinates");
        WriteList(writer, request.Access.Shows(ResourceKind.Node, store.Current.Catalog.LocalName) ? store.Current.Catalog.LocalName : null);
        writer.WriteEndObject();
        writer.WriteEndArray();
    });

    // Only a node with an agent has a coordinate, and the server's own never moves.
    private Task<(string Node, ulong Index)> ReadAsync(ApiRequest request) =>
        queries.ReadAsync(request, [], state => (state.Catalog.LocalName, state.Catalog.Node.CreateIndex));

    private static void WriteList(Utf8JsonWriter writer, string? node)
    {
        writer.WriteStartArray();
        if (node is not null)
        {
            writer.WriteStartObject();
            writer.WriteString("Node", node);
            writer.WriteString("Segment", string.Empty);
            AgentHandlers.WriteCoordinate(writer);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }
}
