using System.Text.Json;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Filters;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Agent;

/// <summary>Checks: their registration, their beats, and what the agent tells about them.</summary>
internal sealed class AgentCheckHandlers(StateStore store, HealthMonitor monitor, TimeProvider time)
{
    private const string DecodePrefix = "Request decode failed: ";

    public void Map(RouteTable routes)
    {
        routes.Map("PUT", "/v1/agent/check/register", RouteAccess.Asked, RegisterAsync);
        routes.Map("PUT", "/v1/agent/check/deregister/", RouteAccess.Asked, DeregisterAsync);
        routes.Map("PUT", "/v1/agent/check/pass/", RouteAccess.Asked, request => BeatAsync(request, CheckStatus.Passing));
        routes.Map("PUT", "/v1/agent/check/warn/", RouteAccess.Asked, request => BeatAsync(request, CheckStatus.Warning));
        routes.Map("PUT", "/v1/agent/check/fail/", RouteAccess.Asked, request => BeatAsync(request, CheckStatus.Critical));
        routes.Map("PUT", "/v1/agent/check/update/", RouteAccess.Asked, UpdateAsync);
        routes.Map("GET", "/v1/agent/checks", RouteAccess.Filtered, ListAsync);
    }

    private async Task RegisterAsync(ApiRequest request)
    {
        var input = await request.DecodeAsync(CheckDecoder.Decode, DecodePrefix).ConfigureAwait(false);
        if (input.Name.Length == 0)
        {
            throw RequestRefusedException.Invalid("Missing check name");
        }

        if (input.Status.Length > 0 && !CheckStatusText.TryParse(input.Status, out _))
        {
            throw RequestRefusedException.Invalid("Bad check status");
        }

        var definition = CheckDecoder.ToDefinition(input, input.Name, input.Name);
        request.Access.DemandCheckRegistration(store.Current.Catalog, definition.CheckId, input.ServiceId);
        await store.ApplyAsync(new RegisterCheck(definition, input.ServiceId, time.GetUtcNow())).ConfigureAwait(false);
        monitor.Follow(definition.CheckId);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private async Task DeregisterAsync(ApiRequest request)
    {
        request.Access.DemandCheck(store.Current.Catalog, CheckIdOf(request));
        await store.ApplyAsync(new DeregisterCheck(request.Rest)).ConfigureAwait(false);
        monitor.Follow(request.Rest);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private async Task BeatAsync(ApiRequest request, CheckStatus status)
    {
        request.Access.DemandCheck(store.Current.Catalog, CheckIdOf(request));
        await monitor.Beats.BeatAsync(request.Rest, status, Cut(request, request.Query("note") ?? string.Empty)).ConfigureAwait(false);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private async Task UpdateAsync(ApiRequest request)
    {
        var (statusText, output) = await request.DecodeAsync(DecodeUpdate, DecodePrefix).ConfigureAwait(false);
        if (!CheckStatusText.TryParse(statusText, out var status))
        {
            throw RequestRefusedException.Invalid($"Invalid check status: '{statusText}'");
        }

        request.Access.DemandCheck(store.Current.Catalog, CheckIdOf(request));
        await monitor.Beats.BeatAsync(request.Rest, status, Cut(request, output)).ConfigureAwait(false);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private Task ListAsync(ApiRequest request)
    {
        var filter = ReadRules.FilterOf(request, FilterFields.Check, prefix: string.Empty);
        var catalog = store.Current.Catalog;
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            foreach (var checkId in catalog.CheckOwners.Keys.Order(StringComparer.Ordinal))
            {
                // The node's own sign of life is known to the catalog only.
                if (checkId != CheckRecord.NodeAliveId && catalog.FindCheck(checkId, out var instance) is { } check
                    && request.Access.ShowsCheckOfAgent(catalog.Node.Name, instance)
                    && filter?.Invoke(new CheckSubject(catalog.Node, instance, check)) != false)
                {
                    writer.WritePropertyName(checkId);
                    writer.WriteCheck(catalog.Node, instance, check, withIndexes: false);
                }
            }

            writer.WriteEndObject();
        });
    }

    private string Cut(ApiRequest request, string output) => ReadRules.CutOutput(
        output, store.Current.Catalog.FindCheck(request.Rest, out _)?.OutputMaxSize ?? ProbeDefinition.DefaultOutputMaxSize);

    private static string CheckIdOf(ApiRequest request) =>
        request.Rest.Length > 0 ? request.Rest : throw RequestRefusedException.Invalid("CheckID missing");

    private static (string Status, string Output) DecodeUpdate(JsonElement element)
    {
        var (status, output) = (string.Empty, string.Empty);
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "status": status = field.Text(); break;
                case "output": output = field.Text(); break;
                case "checkid": field.Text(); break;
                default: throw field.Unknown();
            }
        }

        return (status, output);
    }
}
