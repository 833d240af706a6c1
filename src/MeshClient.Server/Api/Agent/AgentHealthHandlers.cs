using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;
using Microsoft.AspNetCore.Http;

namespace MeshClient.Server.Api.Agent;

/// <summary>
/// How the instances on the server's own node are, in one word each: for load balancers, which look at the status code
/// (200 passing, 429 warning, 503 critical or in maintenance) or ask for the bare word.
/// </summary>
internal sealed class AgentHealthHandlers(StateStore store)
{
    private const string Maintenance = "maintenance";

    public void Map(RouteTable routes)
    {
        routes.Map("GET", "/v1/agent/health/service/id/", RouteAccess.Asked, GetByIdAsync);
        routes.Map("GET", "/v1/agent/health/service/name/", RouteAccess.NeedsOnRest(ResourceKind.Service, AccessLevel.Read), GetByNameAsync);
    }

    private Task GetByIdAsync(ApiRequest request)
    {
        var id = request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("Bad request: Missing serviceID");
        var local = store.Current.Catalog.Local;
        if (!local.Instances.TryGetValue(id, out var instance))
        {
            request.Access.NeedNothing();
            return AnswerAsync(request, StatusCodes.Status404NotFound, $"ServiceId {id} not found", "critical", static writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("AggregatedStatus", "critical");
                writer.WriteNull("Service");
                writer.WriteNull("Checks");
                writer.WriteEndObject();
            });
        }

        request.Access.Demand(ResourceKind.Service, instance.Name, AccessLevel.Read);
        var status = StatusOf(local, instance);
        return AnswerAsync(request, CodeOf(status), status, status, writer => Write(writer, local, instance, status));
    }

    private Task GetByNameAsync(ApiRequest request)
    {
        var name = request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("Bad request: Missing service Name");
        var catalog = store.Current.Catalog;
        var local = catalog.Local;
        var found = (catalog.Services.GetValueOrDefault(name)?.Instances ?? [])
            .Where(instance => instance.Node == catalog.LocalName)
            .Select(instance => (Instance: instance, Status: StatusOf(local, instance)))
            .ToList();
        if (found.Count == 0)
        {
            return AnswerAsync(request, StatusCodes.Status404NotFound, $"ServiceName {name} Not Found", "critical", static writer =>
            {
                writer.WriteStartArray();
                writer.WriteEndArray();
            });
        }

        var worst = found.MaxBy(pair => RankOf(pair.Status)).Status;
        return AnswerAsync(request, CodeOf(worst), worst, worst, writer =>
        {
            writer.WriteStartArray();
            foreach (var (instance, status) in found)
            {
                Write(writer, local, instance, status);
            }

            writer.WriteEndArray();
        });
    }

    private static Task AnswerAsync(ApiRequest request, int code, string reason, string text, Action<Utf8JsonWriter> write)
    {
        // An id may hold what a header cannot.
        request.SetHeader("X-Consul-Reason", string.Concat(reason.Select(c => char.IsControl(c) || !char.IsAscii(c) ? '?' : c)));
        if (request.Query("format") == "text"
            || request.Http.Request.Headers.Accept.ToString().StartsWith("text/plain", StringComparison.OrdinalIgnoreCase))
        {
            return request.AnswerTextAsync(code, text, "text/plain");
        }

        request.Http.Response.StatusCode = code;
        return request.AnswerJsonAsync(write);
    }

    private static void Write(Utf8JsonWriter writer, NodeEntry local, InstanceRecord instance, string status)
    {
        writer.WriteStartObject();
        writer.WriteString("AggregatedStatus", status);
        writer.WritePropertyName("Service");
        writer.WriteAgentService(instance.Definition);
        writer.WriteStartArray("Checks");
        foreach (var (check, owner) in ChecksOf(local, instance))
        {
            writer.WriteCheck(local.Node, owner, check, withIndexes: false);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static string StatusOf(NodeEntry local, InstanceRecord instance)
    {
        var status = CheckStatus.Passing;
        foreach (var (check, _) in ChecksOf(local, instance))
        {
            if (check.Type == CheckRecord.MaintenanceType)
            {
                return Maintenance;
            }

            status = check.Status > status ? check.Status : status;
        }

        return status.ToText();
    }

    // An agent knows its node's sign of life as little as it knows that of others.
    private static IEnumerable<(CheckRecord Check, InstanceRecord? Owner)> ChecksOf(NodeEntry local, InstanceRecord instance) =>
        local.Checks.Values.Where(check => check.CheckId != CheckRecord.NodeAliveId).Select(check => (check, (InstanceRecord?)null))
            .Concat(instance.Checks.Select(check => (check, (InstanceRecord?)instance)));

    private static int CodeOf(string status) => status switch
    {
        "passing" => StatusCodes.Status200OK,
        "warning" => StatusCodes.Status429TooManyRequests,
        _ => StatusCodes.Status503ServiceUnavailable,
    };

    private static int RankOf(string status) => status switch
    {
        "passing" => 0,
        "warning" => 1,
        "critical" => 2,
        _ => 3,
    };
}
