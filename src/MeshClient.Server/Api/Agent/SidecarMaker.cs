using System.Net;
using MeshClient.Core;
using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Api.Agent;

/// <summary>
/// Makes the registration of a sidecar proxy out of what the registration of its service says of it, as a Consul agent does:
/// what is left out comes from the service (developer.hashicorp.com/consul/docs, "Sidecar service registration").
/// </summary>
internal static class SidecarMaker
{
    // Consul's sidecar_min_port and sidecar_max_port.
    private const int MinPort = 21000;
    private const int MaxPort = 21255;
    private const string LocalAddress = "127.0.0.1";
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(10);

    /// <summary>Makes it.</summary>
    /// <param name="sidecar">What is said of it.</param>
    /// <param name="service">Its service.</param>
    /// <param name="catalog">What is registered now.</param>
    /// <param name="caller">Whose address it gets when it has none.</param>
    /// <exception cref="RequestRefusedException">It is wrong, or there is no port for it.</exception>
    public static (ServiceDefinition Definition, EquatableArray<CheckDefinition> Checks) Make(
        ServiceInput sidecar, ServiceDefinition service, CatalogState catalog, IPAddress? caller)
    {
        if (sidecar.Id.Length > 0)
        {
            throw RequestRefusedException.Invalid("Invalid SidecarService: ID cannot be specified as it is derived");
        }

        sidecar.Id = service.Id + ServiceDefinition.SidecarSuffix;
        sidecar.Name = sidecar.Name.Length > 0 ? sidecar.Name : service.Name + ServiceDefinition.SidecarSuffix;
        sidecar.Kind = ServiceDefinition.ProxyKind;
        sidecar.Tags = sidecar.Tags.Count > 0 ? sidecar.Tags : service.Tags;
        sidecar.Meta = sidecar.Meta.Count > 0 ? sidecar.Meta : service.Meta;
        sidecar.Address = sidecar.Address.Length > 0 ? sidecar.Address : caller?.ToString() ?? string.Empty;
        sidecar.Port = sidecar.Port != 0 ? sidecar.Port : FindPort(sidecar, catalog);
        var proxy = sidecar.Proxy ?? new ProxyDefinition();
        sidecar.Proxy = proxy with
        {
            DestinationServiceName = proxy.DestinationServiceName.Length > 0 ? proxy.DestinationServiceName : service.Name,
            DestinationServiceId = proxy.DestinationServiceId.Length > 0 ? proxy.DestinationServiceId : service.Id,
            LocalServiceAddress = proxy.LocalServiceAddress.Length > 0 ? proxy.LocalServiceAddress : LocalAddress,
            LocalServicePort = proxy.LocalServicePort > 0 ? proxy.LocalServicePort : service.Port,
        };
        if (sidecar.Checks.Count == 0)
        {
            sidecar.Checks.Add(new CheckInput
            {
                Name = "Connect Sidecar Listening",
                Tcp = $"{Host(sidecar.Address)}:{sidecar.Port}",
                Interval = CheckInterval,
            });
            sidecar.Checks.Add(new CheckInput { Name = $"Connect Sidecar Aliasing {service.Id}", AliasService = service.Id });
        }

        var (definition, checks) = ServiceDecoder.ToDefinition(sidecar, caller);
        return (definition with { IsMadeSidecar = true }, checks);
    }

    private static string Host(string address) =>
        address.Length == 0 ? LocalAddress : address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address;

    // The one it has had, or the first that nobody at its address has.
    private static int FindPort(ServiceInput sidecar, CatalogState catalog)
    {
        if (catalog.Instances.GetValueOrDefault(sidecar.Id) is { Definition: { Port: >= MinPort and <= MaxPort } before } && before.Address == sidecar.Address)
        {
            return before.Port;
        }

        var taken = catalog.Instances.Values.Where(one => one.Definition.Address == sidecar.Address).Select(one => one.Definition.Port).ToHashSet();
        for (var port = MinPort; port <= MaxPort; port++)
        {
            if (!taken.Contains(port))
            {
                return port;
            }
        }

        throw RequestRefusedException.Invalid(
            $"Invalid SidecarService: all ports from {MinPort} to {MaxPort} at {sidecar.Address} are taken; give it one of its own");
    }
}
