using System.Collections.Immutable;
using MeshClient.Server.Api;
using MeshClient.Server.Api.Json;
using MeshClient.Server.ConfigEntries;

namespace MeshClient.Server.DiscoveryChains;

/// <summary>What a caller of the discovery chain wants otherwise.</summary>
/// <param name="ConnectTimeout">Replaces the time-out of connecting; zero: as it is.</param>
/// <param name="Protocol">Replaces the protocol; empty: as it is.</param>
/// <param name="MeshGatewayMode">Replaces the way through gateways; empty: as it is.</param>
internal sealed record ChainOverrides(GoDuration ConnectTimeout, string Protocol, string MeshGatewayMode)
{
    public static readonly ChainOverrides None = new(default, string.Empty, string.Empty);
}

/// <summary>The instances a chain may lead to: of a service, of one of its subsets, in a datacenter.</summary>
internal readonly record struct ChainPlace(string Service, string Subset, string Datacenter)
{
    /// <summary>The id of the target. There is one namespace only.</summary>
    public string Id => Subset.Length == 0 ? $"{Service}.default.{Datacenter}" : $"{Subset}.{Service}.default.{Datacenter}";

    /// <summary>The place another one names, where what that leaves out stays as it is here.</summary>
    public ChainPlace To(string service, string subset, string datacenter)
    {
        // A subset is one of its service only.
        var moved = service.Length > 0 && service != Service ? this with { Service = service, Subset = string.Empty } : this;
        moved = subset.Length > 0 ? moved with { Subset = subset } : moved;
        return datacenter.Length > 0 ? moved with { Datacenter = datacenter } : moved;
    }
}

/// <summary>A node of a chain.</summary>
/// <param name="Name">Its name, unique in its type.</param>
internal abstract record ChainNode(string Name)
{
    public abstract string Type { get; }

    public string Key => $"{Type}:{Name}";
}

/// <summary>One route: what a request has to look like, and where it then goes.</summary>
internal sealed record ChainRoute(string Definition, string NextNode);

/// <summary>Leads by what requests look like; the first route that matches counts.</summary>
internal sealed record RouterNode(string Name, ImmutableArray<ChainRoute> Routes) : ChainNode(Name)
{
    public override string Type => "router";
}

/// <summary>One leg: its share in percent, and where it goes.</summary>
/// <param name="Weight">The share.</param>
/// <param name="Definition">The leg as it was written.</param>
/// <param name="NextNode">Where it goes.</param>
internal sealed record ChainSplit(decimal Weight, string Definition, string NextNode);

/// <summary>Leads by weight.</summary>
internal sealed record SplitterNode(string Name, ImmutableArray<ChainSplit> Splits, string? LoadBalancer) : ChainNode(Name)
{
    public const string TypeName = "splitter";

    public override string Type => TypeName;
}

/// <summary>Where to go when a target has nobody left.</summary>
internal sealed record ChainFailover(ImmutableArray<string> Targets, string? Policy);

/// <summary>Leads to the instances of a target.</summary>
internal sealed record ResolverNode(string Name) : ChainNode(Name)
{
    public const string TypeName = "resolver";

    public override string Type => TypeName;

    public required string Target { get; init; }

    /// <summary>Whether no entry speaks about it.</summary>
    public required bool IsDefault { get; init; }

    public required GoDuration ConnectTimeout { get; init; }

    /// <summary>Zero: not said.</summary>
    public required GoDuration RequestTimeout { get; init; }

    public ChainFailover? Failover { get; init; }

    public string? LoadBalancer { get; init; }
}

/// <summary>Instances calls may go to.</summary>
internal sealed record ChainTarget(ChainPlace Place)
{
    public required ResolverSubset Subset { get; init; }

    public required string MeshGatewayMode { get; init; }

    /// <summary>Not empty for a service outside the mesh.</summary>
    public required string ExternalSni { get; init; }

    public string? PrioritizeByLocality { get; init; }
}

/// <summary>What becomes of a call to a service: the entries about it, compiled. Immutable.</summary>
internal sealed record DiscoveryChain
{
    public required string Service { get; init; }

    public required string Datacenter { get; init; }

    /// <summary>Eight hex digits that differ when what was overridden does; null when nothing was.</summary>
    public string? CustomizationHash { get; init; }

    /// <summary>Whether no entry but defaults has a say in it.</summary>
    public required bool IsDefault { get; init; }

    public required string Protocol { get; init; }

    public required string StartNode { get; init; }

    public required ImmutableSortedDictionary<string, ChainNode> Nodes { get; init; }

    public required ImmutableSortedDictionary<string, ChainTarget> Targets { get; init; }
}

/// <summary>The entries do not make a chain; the sentence is Consul's.</summary>
internal sealed class ChainException(string message) : Exception(message);
