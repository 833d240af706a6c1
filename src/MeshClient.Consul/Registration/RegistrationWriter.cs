using System.Globalization;
using System.Text.Json;
using MeshClient.Consul.Discovery;
using MeshClient.Consul.Model;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Consul.Registration;

/// <summary>Makes an instance known to the agent and keeps it alive there. It has one check, a time to live.</summary>
internal sealed class RegistrationWriter(ConsulTransport transport)
{
    private const string CheckPrefix = "service:";
    private const string Passing = "passing";

    // 404 since Consul 1.12 or so; before, a 500 with one of these texts.
    private static readonly string[] LostTexts = ["does not have associated TTL", "Unknown check", "Unknown service"];

    public async Task RegisterAsync(InstanceRegistration registration, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(Map(registration), WireJson.Default.RegistrationDocument);
        await transport.PutAsync("v1/agent/service/register?replace-existing-checks=true", body, cancellationToken).ConfigureAwait(false);

        // The check of an instance that is registered again keeps the status it had, which may be critical. Without a note,
        // because a note is a change, and the next identical registration would carry it to everybody who watches.
        await BeatAsync(registration.Id, string.Empty, cancellationToken).ConfigureAwait(false);
    }

    public async Task<HeartbeatResult> BeatAsync(InstanceId instance, string note, CancellationToken cancellationToken)
    {
        var path = $"v1/agent/check/pass/{Segment(CheckPrefix + instance.Value)}?note={Uri.EscapeDataString(note)}";
        return await transport.TryPutAsync(path, LostTexts, cancellationToken).ConfigureAwait(false)
            ? HeartbeatResult.Accepted
            : HeartbeatResult.UnknownInstance;
    }

    public Task SetMaintenanceAsync(InstanceId instance, bool enabled, string reason, CancellationToken cancellationToken)
    {
        var query = $"enable={(enabled ? "true" : "false")}&reason={Uri.EscapeDataString(reason)}";
        return transport.TryPutAsync(
            $"v1/agent/service/maintenance/{Segment(instance.Value)}?{query}", LostTexts, cancellationToken);
    }

    public Task DeregisterAsync(InstanceId instance, CancellationToken cancellationToken) =>
        transport.TryPutAsync($"v1/agent/service/deregister/{Segment(instance.Value)}", LostTexts, cancellationToken);

    // "." and ".." are taken out of a path before it is sent, and would make it another call.
    private static string Segment(string id) => id is "" or "." or ".."
        ? throw new ControlPlaneException(ControlPlaneFailure.Rejected, $"'{id}' cannot be the id of an instance in Consul.")
        : Uri.EscapeDataString(id);

    private static RegistrationDocument Map(InstanceRegistration registration)
    {
        if (registration.Endpoints.Count == 0 || registration.Endpoints[0].Name is not null)
        {
            throw new ArgumentException("An instance is registered with its unnamed main endpoint first.", nameof(registration));
        }

        if (registration.TimeToLive < TimeSpan.FromSeconds(1))
        {
            throw new ArgumentException($"The time to live is {registration.TimeToLive}; it must be 1 s or more.", nameof(registration));
        }

        var main = registration.Endpoints[0];
        var native = main.Security == InstanceSecurity.Mesh;
        var named = new SortedDictionary<string, RegisteredAddress>(StringComparer.Ordinal);
        foreach (var endpoint in ((IReadOnlyList<InstanceEndpoint>)registration.Endpoints).Skip(1))
        {
            if (string.IsNullOrEmpty(endpoint.Name) || !named.TryAdd(endpoint.Name, new RegisteredAddress(endpoint.Host, endpoint.Port)))
            {
                throw new ArgumentException("The endpoints after the first have names, each its own.", nameof(registration));
            }
        }

        var meta = registration.Meta;
        if (EndpointSecurityCodec.Write(registration.Endpoints, native) is { } securities)
        {
            meta = meta.SetItem(EndpointSecurityCodec.MetaKey, securities);
        }

        return new RegistrationDocument
        {
            ID = registration.Id.Value,
            Name = registration.Service.Value,
            Tags = [.. registration.Tags],
            Address = main.Host,
            Port = main.Port,
            TaggedAddresses = named.Count > 0 ? named : null,
            Meta = meta,
            Weights = new RegisteredWeights(registration.Weight, Warning: 1),
            Connect = native ? new RegisteredConnect(true) : null,
            Check = new RegisteredCheck
            {
                CheckID = CheckPrefix + registration.Id.Value,
                Name = $"Time to live of {registration.Service.Value}",
                TTL = Duration(registration.TimeToLive),
                Status = Passing,
                DeregisterCriticalServiceAfter = registration.DeregisterAfter is { } after ? Duration(after) : null,
            },
        };
    }

    private static string Duration(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalMilliseconds):0}ms");
}
