using MeshClient.Core;

namespace MeshClient.Server.Catalog;

/// <summary>An address under which a service is reached from somewhere else.</summary>
internal sealed record TaggedAddress(string Tag, string Address, int Port);

/// <summary>The share of calls an instance takes, by its health.</summary>
internal sealed record ServiceWeights(int Passing, int Warning)
{
    public static readonly ServiceWeights Default = new(1, 1);
}

/// <summary>
/// What a sidecar proxy stands for. The parts this server has no use for are kept as the JSON they came in, to be given back.
/// </summary>
internal sealed record ProxyDefinition
{
    public string DestinationServiceName { get; init; } = string.Empty;

    public string DestinationServiceId { get; init; } = string.Empty;

    public string LocalServiceAddress { get; init; } = string.Empty;

    public int LocalServicePort { get; init; }

    public string? ConfigJson { get; init; }

    public string? UpstreamsJson { get; init; }

    public string? MeshGatewayJson { get; init; }

    public string? ExposeJson { get; init; }
}

/// <summary>One registered instance, as its owner described it. Equal when every part is equal.</summary>
internal sealed record ServiceDefinition
{
    public const string ProxyKind = "connect-proxy";

    /// <summary>What the id and the name of a service's sidecar end with.</summary>
    public const string SidecarSuffix = "-sidecar-proxy";

    public required string Id { get; init; }

    public required string Name { get; init; }

    public string Kind { get; init; } = string.Empty;

    public EquatableArray<string> Tags { get; init; }

    public string Address { get; init; } = string.Empty;

    public int Port { get; init; }

    /// <summary>By tag, in order.</summary>
    public EquatableArray<TaggedAddress> TaggedAddresses { get; init; }

    /// <summary>By key, in order.</summary>
    public EquatableArray<KeyValuePair<string, string>> Meta { get; init; }

    public ServiceWeights Weights { get; init; } = ServiceWeights.Default;

    public bool EnableTagOverride { get; init; }

    public bool ConnectNative { get; init; }

    public ProxyDefinition? Proxy { get; init; }

    /// <summary>Whether it was made with the registration of its service, and goes with it.</summary>
    public bool IsMadeSidecar { get; init; }

    /// <summary>The service this instance speaks for in the mesh: its own, the one behind it, or none.</summary>
    public string? ConnectName =>
        ConnectNative ? Name : Kind == ProxyKind ? Proxy?.DestinationServiceName : null;

    /// <summary>The tagged addresses given, and those Consul makes from an address that is a literal; by tag, in order.</summary>
    public SortedDictionary<string, TaggedAddress> AllTaggedAddresses()
    {
        var addresses = new SortedDictionary<string, TaggedAddress>(StringComparer.Ordinal);
        if (AddressFamilyText.Of(Address) is { } family)
        {
            addresses[$"lan_{family}"] = new TaggedAddress($"lan_{family}", Address, Port);
            addresses[$"wan_{family}"] = new TaggedAddress($"wan_{family}", Address, Port);
        }

        foreach (var given in TaggedAddresses)
        {
            addresses[given.Tag] = given;
        }

        return addresses;
    }
}
