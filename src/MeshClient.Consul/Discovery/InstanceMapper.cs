using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using MeshClient.Consul.Model;
using MeshClient.Core;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Consul.Discovery;

/// <summary>Makes an instance out of one entry of Consul's lists.</summary>
internal static class InstanceMapper
{
    private const string VirtualAddressPrefix = "consul-virtual";

    // The names Consul itself gives to addresses; every other one is an endpoint of the instance.
    private static readonly ImmutableHashSet<string> OwnAddressNames = ImmutableHashSet.Create(
        StringComparer.OrdinalIgnoreCase, "lan", "wan", "lan_ipv4", "wan_ipv4", "lan_ipv6", "wan_ipv6", "virtual");

    // Our own word and Eureka's; the one of cloud agents; the one of Kubernetes.
    private static readonly string[] ZoneMetaKeys = [ServiceInstance.ZoneMetaKey, "availability_zone", "topology.kubernetes.io/zone"];

    /// <summary>Maps an entry.</summary>
    /// <param name="service">The service that was asked for.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="problem">Why the entry cannot be used, when the result is null.</param>
    /// <param name="shared">Texts of the other entries of the list: what instances have in common is kept once.</param>
    public static ServiceInstance? TryMap(ServiceName service, HealthEntry entry, out string problem, HashSet<string>? shared = null)
    {
        problem = string.Empty;
        if (entry.Service is not { } registered || !IsId(registered.ID))
        {
            problem = "an instance has no usable id";
            return null;
        }

        var native = registered.IsNative;
        var proxy = registered.Kind == HealthService.ConnectProxyKind && !native;
        var identity = proxy ? registered.Proxy?.DestinationServiceName : registered.Service;

        // Consul finds names without regard to case, so the name in the entry may differ from the one asked for in that, and
        // its certificate carries the registered one. It must not differ in more: the caller would accept another service.
        if (!ServiceName.TryParse(identity, out var expected)
            || !string.Equals(expected.Value, service.Value, StringComparison.OrdinalIgnoreCase))
        {
            problem = $"instance '{registered.ID}' belongs to another service";
            return null;
        }

        var host = string.IsNullOrEmpty(registered.Address) ? entry.Node?.Address : registered.Address;
        if (!IsUsable(host, registered.Port))
        {
            problem = $"instance '{registered.ID}' has no usable address or port (port {registered.Port ?? 0})";
            return null;
        }

        registered.Meta.TryGetValue(EndpointSecurityCodec.MetaKey, out var securities);
        var inMesh = native || proxy;
        var endpoints = ImmutableArray.CreateBuilder<InstanceEndpoint>();
        endpoints.Add(new InstanceEndpoint(
            null, host, (int)registered.Port!.Value, EndpointSecurityCodec.Read(securities, null, inMesh)));
        foreach (var (name, address) in registered.TaggedAddresses)
        {
            if (name.Length > 0 && !IsOwnAddress(name) && IsUsable(address.Address, address.Port))
            {
                endpoints.Add(new InstanceEndpoint(
                    name, address.Address!, (int)address.Port!.Value, EndpointSecurityCodec.Read(securities, name, inMesh)));
            }
        }

        var health = WorstOf(entry.Checks);
        return new ServiceInstance
        {
            Id = new InstanceId(registered.ID),
            Service = service,
            Endpoints = EquatableArray.From(endpoints),
            ExpectedService = expected,
            Datacenter = entry.Node?.Datacenter ?? string.Empty,
            Zone = ZoneOf(entry),
            Health = health,
            Weight = WeightFor(health, registered.Weights),
            IsBehindProxy = proxy,
            Tags = EquatableArray.From(registered.Tags),
            Meta = registered.Meta.Where(pair => pair.Key != EndpointSecurityCodec.MetaKey)
                .ToImmutableSortedDictionary(pair => Share(pair.Key, shared), pair => Share(pair.Value, shared), StringComparer.Ordinal),
        };
    }

    private static bool IsId([NotNullWhen(true)] string? id) =>
        id is { Length: > 0 and <= InstanceId.MaxLength } && !id.Any(char.IsControl);

    private static bool IsOwnAddress(string name) =>
        OwnAddressNames.Contains(name) || name.StartsWith(VirtualAddressPrefix, StringComparison.OrdinalIgnoreCase);

    private static bool IsUsable([NotNullWhen(true)] string? host, long? port) =>
        port is > 0 and <= ushort.MaxValue && !string.IsNullOrEmpty(host) && Uri.CheckHostName(host) != UriHostNameType.Unknown;

    // Consul itself knows zones since 1.17 only; before, and where it does not, they are written into metadata by hand. What is
    // said of the instance is more exact than what is said of its node.
    private static string? ZoneOf(HealthEntry entry) =>
        NullIfEmpty(entry.Service!.Locality?.Zone)
        ?? FromMeta(entry.Service.Meta)
        ?? NullIfEmpty(entry.Node?.Locality?.Zone)
        ?? (entry.Node is { } node ? FromMeta(node.Meta) : null);

    private static string? FromMeta(IReadOnlyDictionary<string, string> meta)
    {
        foreach (var key in ZoneMetaKeys)
        {
            if (meta.TryGetValue(key, out var zone) && zone.Length > 0)
            {
                return zone;
            }
        }

        return null;
    }

    private static string Share(string text, HashSet<string>? shared)
    {
        if (shared?.TryGetValue(text, out var same) == true)
        {
            return same;
        }

        shared?.Add(text);
        return text;
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    // A critical instance keeps its passing weight: should it be called after all, because nothing better is left, then in
    // the usual proportion.
    private static int WeightFor(InstanceHealth health, ServiceWeights? weights) => (int)Math.Clamp(
        (health == InstanceHealth.Warning ? weights?.Warning : weights?.Passing) ?? 1, 0, ushort.MaxValue);

    // Maintenance is a critical check. A status that is none of the three is one nobody can vouch for.
    private static InstanceHealth WorstOf(IReadOnlyList<HealthCheck> checks)
    {
        var worst = InstanceHealth.Passing;
        foreach (var check in checks)
        {
            var health = check.Status switch
            {
                "passing" => InstanceHealth.Passing,
                "warning" => InstanceHealth.Warning,
                _ => InstanceHealth.Critical,
            };
            worst = health > worst ? health : worst;
        }

        return worst;
    }
}
