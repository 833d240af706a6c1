using System.Collections.Immutable;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Registration;

/// <summary>What an instance tells the registry about itself.</summary>
public sealed record InstanceRegistration
{
    /// <summary>Its id, unique in the registry.</summary>
    public required InstanceId Id { get; init; }

    /// <summary>The service it is a copy of.</summary>
    public required ServiceName Service { get; init; }

    /// <summary>Where it serves: the unnamed main endpoint first, then named ones.</summary>
    public required EquatableArray<InstanceEndpoint> Endpoints { get; init; }

    /// <summary>How long it may be silent before it counts as critical. 1 s or more.</summary>
    public required TimeSpan TimeToLive { get; init; }

    /// <summary>
    /// How long it may be critical before the registry forgets it. Null: never. Consul acts on 1 minute at the least.
    /// </summary>
    public TimeSpan? DeregisterAfter { get; init; }

    /// <summary>Its weight while passing, 1 to 65535. Default: 1.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>Tags. Default: none.</summary>
    public EquatableArray<string> Tags { get; init; }

    /// <summary>Metadata. Default: none.</summary>
    public ImmutableSortedDictionary<string, string> Meta { get; init; } = ImmutableSortedDictionary<string, string>.Empty;
}

/// <summary>What a registry answers to a heartbeat.</summary>
public enum HeartbeatResult
{
    /// <summary>The beat counted.</summary>
    Accepted,

    /// <summary>The registry has lost the instance.</summary>
    UnknownInstance,
}
