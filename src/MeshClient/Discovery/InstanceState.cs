using MeshClient.Balancing;
using MeshClient.Core.Discovery;
using MeshClient.Health;
using MeshClient.Transport;

namespace MeshClient.Discovery;

/// <summary>
/// What counts and lives about one endpoint of one instance: its load, its health as calls see it, its connections. One per
/// endpoint, kept while a service's list still contains it, shared by all calls.
/// </summary>
internal sealed class InstanceState
{
    private double _costFactor;
    private ServiceInstance _description;

    public InstanceState(
        ServiceInstance description,
        InstanceEndpoint endpoint,
        PeakEwma load,
        double failureLatency,
        EjectionState ejection,
        InstanceTransport transport)
    {
        _description = description;
        Endpoint = endpoint;
        BoxedPort = endpoint.Port;
        var scheme = endpoint.Security == InstanceSecurity.Plaintext ? Uri.UriSchemeHttp : Uri.UriSchemeHttps;
        DirectBase = new UriBuilder(scheme, endpoint.Host, endpoint.Port).Uri.GetLeftPart(UriPartial.Authority);
        Load = load;
        FailureLatency = failureLatency;
        Ejection = ejection;
        Transport = transport;
        Describe(description);
    }

    /// <summary>What the registry last said of it.</summary>
    public ServiceInstance Description => Volatile.Read(ref _description);

    public InstanceEndpoint Endpoint { get; }

    /// <summary>What calls are addressed to when the instance is not in the mesh: its own host and port.</summary>
    public string DirectBase { get; }

    /// <summary>The port as an object, for tags.</summary>
    public object BoxedPort { get; }

    public PeakEwma Load { get; }

    /// <summary>The latency a failure counts as, in timestamp ticks.</summary>
    public double FailureLatency { get; }

    public EjectionState Ejection { get; }

    public InstanceTransport Transport { get; }

    /// <summary>The cost of a call, smaller is better: the load, divided by the weight the registry gave.</summary>
    public double Cost(long now) => Load.Cost(now) * Volatile.Read(ref _costFactor);

    /// <summary>Takes in a newer description of the same instance.</summary>
    public void Describe(ServiceInstance description)
    {
        Volatile.Write(ref _description, description);
        Volatile.Write(ref _costFactor, 1.0 / Math.Max(1, description.Weight));
    }
}
