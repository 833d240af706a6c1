using System.Text.Json.Serialization;

namespace MeshClient.Consul.Model;

/// <summary>One element of <c>health/service</c> and <c>health/connect</c>: only what is used of it.</summary>
internal sealed class HealthEntry
{
    public HealthNode? Node { get; init; }

    public HealthService? Service { get; init; }

    [JsonConverter(typeof(LenientListConverter<HealthCheck>))]
    public IReadOnlyList<HealthCheck> Checks { get; init; } = [];
}

internal sealed class HealthNode
{
    public string? Node { get; init; }

    public string? Address { get; init; }

    public string? Datacenter { get; init; }
}

internal sealed class HealthService
{
    public const string ConnectProxyKind = "connect-proxy";

    public string? Kind { get; init; }

    public string? ID { get; init; }

    /// <summary>The service's name.</summary>
    public string? Service { get; init; }

    [JsonConverter(typeof(LenientListConverter<string>))]
    public IReadOnlyList<string> Tags { get; init; } = [];

    public string? Address { get; init; }

    [JsonConverter(typeof(LenientMapConverter<ServiceAddress>))]
    public IReadOnlyDictionary<string, ServiceAddress> TaggedAddresses { get; init; } = new SortedDictionary<string, ServiceAddress>();

    [JsonConverter(typeof(LenientMapConverter<string>))]
    public IReadOnlyDictionary<string, string> Meta { get; init; } = new SortedDictionary<string, string>();

    public long? Port { get; init; }

    public ServiceWeights? Weights { get; init; }

    public ServiceProxy? Proxy { get; init; }

    public ServiceConnect? Connect { get; init; }

    [JsonIgnore]
    public bool IsNative => Connect?.Native == true;
}

internal sealed class ServiceAddress
{
    public string? Address { get; init; }

    public long? Port { get; init; }
}

internal sealed class ServiceWeights
{
    public long? Passing { get; init; }

    public long? Warning { get; init; }
}

internal sealed class ServiceProxy
{
    public string? DestinationServiceName { get; init; }

    public string? DestinationServiceID { get; init; }
}

internal sealed class ServiceConnect
{
    public bool? Native { get; init; }
}

internal sealed class HealthCheck
{
    public string? Status { get; init; }
}
