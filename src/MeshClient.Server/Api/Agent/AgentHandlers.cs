using System.Runtime.InteropServices;
using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Agent;

/// <summary>What the server tells about itself.</summary>
internal sealed class AgentHandlers(StateStore store, HealthMonitor monitor, MeshServerOptions options)
{
    private const int SerfPort = 8301;
    private const int RpcPort = 8300;

    public static readonly string Version = typeof(AgentHandlers).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    public void Map(RouteTable routes)
    {
        var status = RouteAccess.Open("clients look for a leader before they have a token");
        routes.Map("GET", "/v1/agent/self", RouteAccess.NeedsOnNode(ResourceKind.Agent, AccessLevel.Read, options.NodeName), GetSelfAsync);
        routes.Map("GET", "/v1/agent/members", RouteAccess.Filtered, GetMembersAsync);
        routes.Map("GET", "/v1/status/leader", status, GetLeaderAsync);
        routes.Map("GET", "/v1/status/peers", status, GetPeersAsync);
    }

    private Task GetSelfAsync(ApiRequest request) => request.AnswerJsonAsync(writer =>
    {
        var state = store.Current;
        writer.WriteStartObject();
        writer.WriteStartObject("Config");
        writer.WriteString("Datacenter", options.Datacenter);
        writer.WriteString("NodeName", state.Catalog.Node.Name);
        writer.WriteString("NodeID", state.Catalog.Node.Id);
        writer.WriteString("Revision", "meshclient");
        writer.WriteBoolean("Server", true);
        writer.WriteString("Version", Version);
        writer.WriteEndObject();
        writer.WriteStartObject("DebugConfig");
        writer.WriteString("ACLDefaultPolicy", DefaultPolicy);
        writer.WriteBoolean("ACLsEnabled", options.AccessControl.Enabled);
        writer.WriteBoolean("ConnectEnabled", true);
        writer.WriteString("Datacenter", options.Datacenter);
        writer.WriteString("NodeName", state.Catalog.Node.Name);
        writer.WriteString("Version", Version);
        writer.WriteEndObject();
        WriteCoordinate(writer);
        writer.WritePropertyName("Member");
        WriteMember(writer, state.Catalog.Node);
        WriteStats(writer, state);
        writer.WriteStartObject("Meta");
        writer.WriteString("consul-network-segment", string.Empty);
        writer.WriteEndObject();
        writer.WriteStartObject("xDS");
        writer.WriteStartObject("SupportedProxies");
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
    });

    private Task GetMembersAsync(ApiRequest request) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartArray();
        foreach (var entry in store.Current.Catalog.Nodes.Values)
        {
            if (request.Access.Shows(ResourceKind.Node, entry.Node.Name))
            {
                WriteMember(writer, entry.Node);
            }
        }

        writer.WriteEndArray();
    });

    private Task GetLeaderAsync(ApiRequest request) => request.AnswerJsonAsync(writer => writer.WriteStringValue(RpcAddress));

    private Task GetPeersAsync(ApiRequest request) => request.AnswerJsonAsync(writer =>
    {
        writer.WriteStartArray();
        writer.WriteStringValue(RpcAddress);
        writer.WriteEndArray();
    });

    // Without access control only intentions have a default.
    private string DefaultPolicy =>
        (options.AccessControl.Enabled ? options.AccessControl.DefaultPolicy == DefaultAccessPolicy.Allow : options.DefaultIntentionPolicy == DefaultIntentionPolicy.Allow)
            ? "allow" : "deny";

    // Nothing listens there: it is the name a cluster of one goes by.
    public static string RpcAddressOf(string nodeAddress) =>
        nodeAddress.Contains(':', StringComparison.Ordinal) ? $"[{nodeAddress}]:{RpcPort}" : $"{nodeAddress}:{RpcPort}";

    private string RpcAddress => RpcAddressOf(options.NodeAddress);

    public static void WriteCoordinate(Utf8JsonWriter writer)
    {
        const int dimensions = 8;
        const double unknownError = 1.5;
        writer.WriteStartObject("Coord");
        writer.WriteStartArray("Vec");
        for (var i = 0; i < dimensions; i++)
        {
            writer.WriteNumberValue(0);
        }

        writer.WriteEndArray();
        writer.WriteNumber("Error", unknownError);
        writer.WriteNumber("Adjustment", 0);
        writer.WriteNumber("Height", 0);
        writer.WriteEndObject();
    }

    private void WriteMember(Utf8JsonWriter writer, NodeRecord node)
    {
        const int alive = 1;
        writer.WriteStartObject();
        writer.WriteString("Name", node.Name);
        writer.WriteString("Addr", node.Address);
        writer.WriteNumber("Port", SerfPort);
        writer.WriteStartObject("Tags");
        writer.WriteString("acls", options.AccessControl.Enabled ? "1" : "0");
        writer.WriteString("build", Version + ":meshclient");
        writer.WriteString("dc", node.Datacenter);
        writer.WriteString("id", node.Id);
        writer.WriteString("role", node.IsLocal ? "consul" : "node");
        writer.WriteString("segment", string.Empty);
        writer.WriteEndObject();
        writer.WriteNumber("Status", alive);
        foreach (var name in (string[])["ProtocolMin", "ProtocolMax", "ProtocolCur", "DelegateMin", "DelegateMax", "DelegateCur"])
        {
            writer.WriteNumber(name, 2);
        }

        writer.WriteEndObject();
    }

    // A map of maps of texts: `consul info` prints it.
    private void WriteStats(Utf8JsonWriter writer, ServerState state)
    {
        var checks = state.Catalog.CheckOwners.Count;
        var stats = new (string Group, (string Name, string Value)[] Values)[]
        {
            ("agent", [("check_monitors", $"{monitor.Runner.Count}"), ("check_ttls", $"{monitor.Beats.Count}"), ("checks", $"{checks - 1}"), ("services", $"{state.Catalog.Instances.Count}")]),
            ("build", [("prerelease", string.Empty), ("revision", "meshclient"), ("version", Version)]),
            ("consul", [("acl", options.AccessControl.Enabled ? "enabled" : "disabled"), ("known_datacenters", "1"), ("leader", "true"), ("leader_addr", RpcAddress), ("server", "true")]),
            ("runtime", [("arch", $"{RuntimeInformation.ProcessArchitecture}"), ("os", RuntimeInformation.RuntimeIdentifier), ("version", RuntimeInformation.FrameworkDescription)]),
            ("watches", [("parked", $"{store.Watches.Count}")]),
        };
        writer.WriteStartObject("Stats");
        foreach (var (group, values) in stats)
        {
            writer.WriteStartObject(group);
            foreach (var (name, value) in values)
            {
                writer.WriteString(name, value);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }
}
