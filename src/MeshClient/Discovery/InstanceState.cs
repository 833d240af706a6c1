using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.Core.Discovery;
using MeshClient.Health;
using MeshClient.Telemetry;
using MeshClient.Transport;

namespace MeshClient.Discovery;

/// <summary>
/// What counts and lives about one endpoint of one instance: its load, its health as calls see it, its connections. One per
/// endpoint, kept while a service's list still contains it, shared by all calls.
/// </summary>
internal sealed class InstanceState : InstanceVitals
{
    private ServiceInstance _description;
    private InstanceTags? _figureTags;
    private string? _directBase;
    private long _warmingSince = long.MinValue / 2;

    /// <param name="description">What the registry says of it.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="health">What the instances of the service have in common.</param>
    /// <param name="frequency">Ticks of the timestamp in a second.</param>
    /// <param name="connect">Makes its connections.</param>
    public InstanceState(
        ServiceInstance description,
        InstanceEndpoint endpoint,
        ServiceHealth health,
        long frequency,
        Func<InstanceVitals, InstanceTransport> connect)
        : base(MeshDefaults.LatencyDecay.TotalSeconds * frequency)
    {
        _description = description;
        Endpoint = endpoint;
        IsInMesh = endpoint.Security == InstanceSecurity.Mesh;
        IsBehindProxy = IsInMesh && description.IsBehindProxy;
        Ejection = new EjectionState(health, description.Id.Value, this);
        Transport = connect(this);
    }

    /// <summary>What the registry last said of it.</summary>
    public ServiceInstance Description => Volatile.Read(ref _description);

    public InstanceEndpoint Endpoint { get; }

    /// <summary>What calls are addressed to when the instance is not in the mesh: its own host and port.</summary>
    public string DirectBase => _directBase ??= new UriBuilder(
        Endpoint.Security == InstanceSecurity.Plaintext ? Uri.UriSchemeHttp : Uri.UriSchemeHttps, Endpoint.Host, Endpoint.Port)
        .Uri.GetLeftPart(UriPartial.Authority);

    /// <summary>What is kept for figures and spans of it.</summary>
    public InstanceTags FigureTags => _figureTags ??= new InstanceTags(Endpoint.Port);

    public EjectionState Ejection { get; }

    public InstanceTransport Transport { get; }

    /// <summary>When it came, or came back, and had to begin slowly, as a timestamp; long ago when it never had to.</summary>
    public long WarmingSince
    {
        get => Volatile.Read(ref _warmingSince);
        set => Volatile.Write(ref _warmingSince, value);
    }

    /// <summary>The weight by its own reports of its load; null while it has sent none that was looked at.</summary>
    public ReportedWeight? ReportedWeight { get; set; }

    public override void StartAnew(SlowStart? slowStart, long now, bool forgets = true)
    {
        base.StartAnew(slowStart, now, forgets);
        slowStart?.Begin(this, now);
    }

    /// <summary>Takes in a newer description of the same instance.</summary>
    public void Describe(ServiceInstance description) => Volatile.Write(ref _description, description);
}
