using System.Text.Json.Serialization;

namespace MeshClient.Consul.Model;

/// <summary>One element of <c>health/service</c> and <c>health/connect</c>: only what is used of it.</summary>
internal sealed class HealthEntry
{
    public HealthNode? Node { get; set; }

    public HealthService? Service { get; set; }

    [JsonConverter(typeof(LenientListConverter<HealthCheck>))]
    public IReadOnlyList<HealthCheck> Checks { get; set; } = [];
}

internal sealed class HealthNode
{
    public string? Node { get; set; }

    public string? Address { get; set; }

    public string? Datacenter { get; set; }

    public Locality? Locality { get; set; }

    [JsonConverter(typeof(LenientMapConverter<string>))]
    public IReadOnlyDictionary<string, string> Meta { get; set; } = new SortedDictionary<string, string>();
}

internal sealed class HealthService
{
    public const string ConnectProxyKind = "connect-proxy";

    public string? Kind { get; set; }

    public string? ID { get; set; }

    /// <summary>The service's name.</summary>
    public string? Service { get; set; }

    [JsonConverter(typeof(LenientListConverter<string>))]
    public IReadOnlyList<string> Tags { get; set; } = [];

    public string? Address { get; set; }

    [JsonConverter(typeof(LenientMapConverter<ServiceAddress>))]
    public IReadOnlyDictionary<string, ServiceAddress> TaggedAddresses { get; set; } = new SortedDictionary<string, ServiceAddress>();

    [JsonConverter(typeof(LenientMapConverter<string>))]
    public IReadOnlyDictionary<string, string> Meta { get; set; } = new SortedDictionary<string, string>();

    public long? Port { get; set; }

    public ServiceWeights? Weights { get; set; }

    public Locality? Locality { get; set; }

    public ServiceProxy? Proxy { get; set; }

    public ServiceConnect? Connect { get; set; }

    [JsonIgnore]
    public bool IsNative => Connect?.Native == true;
}

internal sealed class ServiceAddress
{
    public string? Address { get; set; }

    public long? Port { get; set; }
}

internal sealed class ServiceWeights
{
    public long? Passing { get; set; }

    public long? Warning { get; set; }
}

/// <summary>Where a node or instance is, since Consul 1.17.</summary>
internal sealed class Locality
{
    public string? Zone { get; set; }
}

internal sealed class ServiceProxy
{
    public string? DestinationServiceName { get; set; }

    public string? DestinationServiceID { get; set; }
}

internal sealed class ServiceConnect
{
    public bool? Native { get; set; }
}

internal sealed class HealthCheck
{
    public string? Status { get; set; }
}
