using MeshClient.Balancing;
using MeshClient.Resilience;

namespace MeshClient.Discovery;

/// <summary>
/// A service as one way of writing its name reaches it: the instances with an endpoint of that name and scheme. What is
/// counted is in <see cref="Service"/> and shared with the other ways.
/// </summary>
internal sealed class Destination(DestinationName name, ServiceState service)
{
    // A millisecond by the system's clock; a service is forgotten after minutes.
    private const long TouchTicks = 1_000_000;

    private volatile CallableList _callable = CallableList.Empty;
    private long _lastUsed;

    public DestinationName Name { get; } = name;

    public ServiceState Service { get; } = service;

    /// <summary>What calls to mesh instances are addressed to: TLS, the service's name as authority.</summary>
    public string MeshBase { get; } = $"https://{name.Service}";

    /// <summary>
    /// What calls over HTTP/2 to instances behind a proxy are addressed to: they come to the service in plaintext, and it may
    /// refuse a request that says otherwise.
    /// </summary>
    public string BehindProxyBase { get; } = $"http://{name.Service}";

    /// <summary>The instances that may be called now.</summary>
    public ReadOnlySpan<InstanceState> Callable => _callable.Instances;

    /// <summary>Whether some instance can only be called with an identity of our own.</summary>
    public bool NeedsIdentity { get; private set; }

    /// <summary>Why others may not be called.</summary>
    public Unavailable Unavailable { get; private set; }

    /// <summary>When a call last asked for it, as a timestamp.</summary>
    public long LastUsed => Volatile.Read(ref _lastUsed);

    /// <summary>A call has asked for it. Written down now and then only: all processors read what stands beside.</summary>
    public void Touch(long now)
    {
        if (now - Volatile.Read(ref _lastUsed) > TouchTicks)
        {
            Volatile.Write(ref _lastUsed, now);
        }
    }

    /// <summary>Chooses an instance; null when none may be called.</summary>
    public InstanceState? TryPick(in PickCall call)
    {
        var callable = _callable;
        return callable.Picker.TryPick(call) ?? (callable.Instances.Length == 0 ? null : LastResort.Pick(callable.Instances, call));
    }

    /// <summary>Has what the next calls will pick from fetched, if it is much.</summary>
    public void Foresee(MeshRandom random)
    {
        var callable = _callable;
        if (Prefetch.IsSupported && callable.Instances.Length >= InstancePicker.LeastForeseen)
        {
            callable.Picker.Foresee(random);
        }
    }

    /// <summary>Whether every instance that may be called now says of a request that it may be executed twice.</summary>
    public bool SaysIdempotent(HttpRequestMessage request)
    {
        var words = _callable.Idempotent;
        foreach (var endpoints in words)
        {
            if (!endpoints.Contain(request))
            {
                return false;
            }
        }

        return words.Length > 0;
    }

    public void Replace(
        InstanceState[] callable, InstancePicker picker, IdempotentEndpoints[] idempotent, bool needsIdentity, Unavailable unavailable)
    {
        NeedsIdentity = needsIdentity;
        Unavailable = unavailable;
        _callable = new CallableList(callable, picker, idempotent);
    }

    // One reference for all, so that no pick sees one of a newer list than the other.
    private sealed record CallableList(InstanceState[] Instances, InstancePicker Picker, IdempotentEndpoints[] Idempotent)
    {
        public static readonly CallableList Empty = new([], new TwoChoicesPicker<LatencyCost>([]), []);
    }
}
