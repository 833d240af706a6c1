using System.Collections.Immutable;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Discovery;

/// <summary>How a connection to an instance is protected.</summary>
public enum InstanceSecurity
{
    /// <summary>Mutual TLS; the instance is known by its SPIFFE id. What the mesh is for.</summary>
    Mesh,

    /// <summary>Ordinary TLS; the instance is known by its host name, against the machine's own roots.</summary>
    Tls,

    /// <summary>No protection. Called only where that is explicitly allowed.</summary>
    Plaintext,
}

/// <summary>What the registry says of an instance, the worst of its checks.</summary>
public enum InstanceHealth
{
    /// <summary>All checks pass.</summary>
    Passing,

    /// <summary>At least one check warns, none is critical: usable, with its warning weight.</summary>
    Warning,

    /// <summary>At least one check is critical, or the instance is in maintenance: not to be called.</summary>
    Critical,
}

/// <summary>One address under which an instance serves.</summary>
/// <param name="Name">The endpoint's name, as in <c>https://_admin.orders</c>; null for the unnamed, main one.</param>
/// <param name="Host">IP address or host name.</param>
/// <param name="Port">1 to 65535.</param>
/// <param name="Security">How a connection to it is protected.</param>
public sealed record InstanceEndpoint(string? Name, string Host, int Port, InstanceSecurity Security);

/// <summary>One running copy of a service, as a registry described it. Immutable; equal when every part is equal.</summary>
public sealed record ServiceInstance
{
    /// <summary>The metadata key an instance's zone is written under, for registries that have no field for it.</summary>
    public const string ZoneMetaKey = "zone";

    /// <summary>The instance's id, unique in the registry.</summary>
    public required InstanceId Id { get; init; }

    /// <summary>The service it is a copy of.</summary>
    public required ServiceName Service { get; init; }

    /// <summary>Where it serves; at least one.</summary>
    public required EquatableArray<InstanceEndpoint> Endpoints { get; init; }

    /// <summary>
    /// The identity it has to prove when it is called over <see cref="InstanceSecurity.Mesh"/>. Null when the trust domain
    /// is to be taken from the trust bundle at connect time, then <see cref="ExpectedService"/> and
    /// <see cref="Datacenter"/> make the id.
    /// </summary>
    public SpiffeId? Identity { get; init; }

    /// <summary>
    /// The service name its certificate has to carry; differs from <see cref="Service"/> for an instance behind a proxy.
    /// </summary>
    public ServiceName ExpectedService { get; init; }

    /// <summary>The datacenter it runs in; empty when the source knows none.</summary>
    public string Datacenter { get; init; } = string.Empty;

    /// <summary>The zone it runs in, as the registry names zones; null when it does not tell. Default: null.</summary>
    public string? Zone { get; init; }

    /// <summary>What the registry's checks say. Default: passing.</summary>
    public InstanceHealth Health { get; init; } = InstanceHealth.Passing;

    /// <summary>Its share of calls relative to the others, for its present health; 0 or more, 0 gets none. Default: 1.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>
    /// True when whoever wrote the address down has thereby allowed plaintext, as with an <c>http://</c> address in the
    /// app's own configuration. A registry never sets it. Default: false.
    /// </summary>
    public bool PlaintextAllowed { get; init; }

    /// <summary>
    /// True when another process ends mutual TLS for it and hands on what is inside, as Consul's sidecar proxies do. What such a
    /// connection negotiates says what the proxy would take, not what the service speaks. Default: false.
    /// </summary>
    public bool IsBehindProxy { get; init; }

    /// <summary>The registry's tags. Default: none.</summary>
    public EquatableArray<string> Tags { get; init; }

    /// <summary>The registry's metadata. Default: none.</summary>
    public ImmutableSortedDictionary<string, string> Meta { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <inheritdoc/>
    public bool Equals(ServiceInstance? other) =>
        other is not null
        && Id == other.Id
        && Service == other.Service
        && Endpoints == other.Endpoints
        && Identity == other.Identity
        && ExpectedService == other.ExpectedService
        && string.Equals(Datacenter, other.Datacenter, StringComparison.Ordinal)
        && string.Equals(Zone, other.Zone, StringComparison.Ordinal)
        && Health == other.Health
        && Weight == other.Weight
        && PlaintextAllowed == other.PlaintextAllowed
        && IsBehindProxy == other.IsBehindProxy
        && Tags == other.Tags
        && Meta.Count == other.Meta.Count
        && Meta.SequenceEqual(other.Meta);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Service, Health, Weight, Endpoints);
}
