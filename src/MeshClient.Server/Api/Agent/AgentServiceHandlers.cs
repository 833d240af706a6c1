using System.Security.Cryptography;
using MeshClient.Core;
using MeshClient.Server.AccessControl;
using MeshClient.Server.Api.Catalog;
using MeshClient.Server.Api.Json;
using MeshClient.Server.Catalog;
using MeshClient.Server.Filters;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Api.Agent;

/// <summary>Registration of services and what the agent tells about them.</summary>
internal sealed class AgentServiceHandlers(
    StateStore store, BlockingQuery queries, HealthMonitor monitor, MeshServerOptions options, TimeProvider time)
{
    private const string DecodePrefix = "Request decode failed: ";

    public void Map(RouteTable routes)
    {
        routes.Map("PUT", "/v1/agent/service/register", RouteAccess.Asked, RegisterAsync);
        routes.Map("PUT", "/v1/agent/service/deregister/", RouteAccess.Asked, DeregisterAsync);
        routes.Map("PUT", "/v1/agent/service/maintenance/", RouteAccess.Asked, SetMaintenanceAsync);
        routes.Map(
            "PUT", "/v1/agent/maintenance", RouteAccess.NeedsOnNode(ResourceKind.Node, AccessLevel.Write, options.NodeName), SetNodeMaintenanceAsync);
        routes.Map("GET", "/v1/agent/services", RouteAccess.Filtered, ListAsync);
        routes.Map("GET", "/v1/agent/service/", RouteAccess.Asked, GetAsync);
    }

    private async Task RegisterAsync(ApiRequest request)
    {
        var input = await request.DecodeAsync(ServiceDecoder.Decode, DecodePrefix).ConfigureAwait(false);
        var described = input.Sidecar;
        input.Sidecar = null;
        var (definition, checks) = ServiceDecoder.ToDefinition(input, request.Caller);
        var catalog = store.Current.Catalog;
        request.Access.DemandRegistration(catalog, definition, checks);
        (ServiceDefinition Definition, EquatableArray<CheckDefinition> Checks)? sidecar =
            described is null ? null : SidecarMaker.Make(described, definition, catalog, request.Caller);
        if (sidecar is { } wanted)
        {
            request.Access.DemandRegistration(catalog, wanted.Definition, wanted.Checks);
        }

        var replace = ReadRules.ParseFlag(request.Query("replace-existing-checks"))
            ?? throw RequestRefusedException.Invalid("Invalid value for replace-existing-checks");
        await RegisterAsync(definition, checks, replace).ConfigureAwait(false);
        if (sidecar is { } made)
        {
            await RegisterAsync(made.Definition, made.Checks, replace).ConfigureAwait(false);
        }

        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private async Task RegisterAsync(ServiceDefinition definition, EquatableArray<CheckDefinition> checks, bool replace)
    {
        var before = store.Current.Catalog.Instances.GetValueOrDefault(definition.Id);
        var after = await store.ApplyAsync(new RegisterService(definition, checks, replace, time.GetUtcNow())).ConfigureAwait(false);
        FollowChecks(before, after.Catalog.Instances.GetValueOrDefault(definition.Id));
    }

    private async Task DeregisterAsync(ApiRequest request)
    {
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid("ServiceID missing");
        }

        var before = store.Current.Catalog.Instances.GetValueOrDefault(request.Rest);
        var sidecar = store.Current.Catalog.FindSidecar(request.Rest);
        request.Access.DemandInstance(before);
        await store.ApplyAsync(new DeregisterService(request.Rest)).ConfigureAwait(false);
        FollowChecks(before, null);
        FollowChecks(sidecar, null);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private async Task SetMaintenanceAsync(ApiRequest request)
    {
        if (request.Rest.Length == 0)
        {
            throw RequestRefusedException.Invalid("Missing service ID");
        }

        var enabled = EnableOf(request);
        request.Access.DemandInstance(store.Current.Catalog.Instances.GetValueOrDefault(request.Rest));
        await store.ApplyAsync(new SetServiceMaintenance(request.Rest, enabled, request.Query("reason") ?? string.Empty, time.GetUtcNow())).ConfigureAwait(false);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private async Task SetNodeMaintenanceAsync(ApiRequest request)
    {
        var enabled = EnableOf(request);
        await store.ApplyAsync(new SetNodeMaintenance(enabled, request.Query("reason") ?? string.Empty, time.GetUtcNow())).ConfigureAwait(false);
        await request.AnswerEmptyAsync().ConfigureAwait(false);
    }

    private static bool EnableOf(ApiRequest request)
    {
        var text = request.Query("enable");
        return string.IsNullOrEmpty(text)
            ? throw RequestRefusedException.Invalid("Missing value for enable")
            : ReadRules.ParseFlag(text) ?? throw RequestRefusedException.Invalid($"Invalid value for enable: \"{text}\"");
    }

    private Task ListAsync(ApiRequest request)
    {
        var filter = ReadRules.FilterOf(request, FilterFields.Service);
        var instances = store.Current.Catalog.Instances;
        return request.AnswerJsonAsync(writer =>
        {
            writer.WriteStartObject();
            foreach (var instance in instances.Values.OrderBy(instance => instance.Id, StringComparer.Ordinal))
            {
                if (request.Access.Shows(ResourceKind.Service, instance.Name) && filter?.Invoke(instance.Definition) != false)
                {
                    writer.WritePropertyName(instance.Id);
                    writer.WriteAgentService(instance.Definition);
                }
            }

            writer.WriteEndObject();
        });
    }

    /// <summary>Blocks by hash: an answer comes at once unless the hash given is that of the present definition.</summary>
    private async Task GetAsync(ApiRequest request)
    {
        var wait = BlockingQuery.WaitOf(request);
        var hash = request.Query("hash");
        var found = Find(request.Rest);
        request.Access.Demand(ResourceKind.Service, found.Service.Name, AccessLevel.Read);
        if (hash is { Length: > 0 } && hash == found.Hash)
        {
            found = await queries.WaitAsync(
                request, [Topic.Service(found.Service.Name)], wait, () => Find(request.Rest), now => now.Hash != hash).ConfigureAwait(false);
            request.Access.Demand(ResourceKind.Service, found.Service.Name, AccessLevel.Read);
        }

        request.SetHeader("X-Consul-Contenthash", found.Hash);
        await request.AnswerJsonAsync(writer => writer.WriteAgentService(found.Service, found.Hash)).ConfigureAwait(false);
    }

    private (ServiceDefinition Service, string Hash) Find(string id) =>
        store.Current.Catalog.Instances.TryGetValue(id, out var instance)
            ? (instance.Definition, HashOf(instance.Definition))
            : throw RequestRefusedException.NotFound($"unknown service ID: {id}");

    private static string HashOf(ServiceDefinition service)
    {
        const int bytes = 8;
        using var buffer = JsonAnswer.Write(writer => writer.WriteAgentService(service), pretty: false);
        return Convert.ToHexStringLower(SHA256.HashData(buffer.Written.Span).AsSpan(0, bytes));
    }

    private void FollowChecks(InstanceRecord? before, InstanceRecord? after)
    {
        foreach (var checkId in (before?.Checks ?? []).Concat(after?.Checks ?? []).Select(check => check.CheckId).Distinct())
        {
            monitor.Follow(checkId);
        }
    }
}
