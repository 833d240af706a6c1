using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;
using MeshClient.Health;
using MeshClient.Overload;
using MeshClient.Resilience;
using MeshClient.Telemetry;
using MeshClient.Transport;

namespace MeshClient.Discovery;

/// <summary>
/// What this process knows and counts of one service it calls: the watched list of instances, the state of each, the retry
/// budget, the calls in flight. Shared by all clients and all ways of writing the service's name.
/// </summary>
internal sealed class ServiceState : IAsyncDisposable
{
    // A few methods with a few statuses each make up nearly all calls.
    private const int MostKeptTags = 8;

    private readonly TransportFactory _transports;
    private readonly TimeProvider _time;
    private readonly MeshRandom _random;
    private readonly HealthProber? _prober;
    private readonly Lock _lock = new();
    private readonly Dictionary<InstanceKey, InstanceState> _instances = [];
    private readonly ConcurrentDictionary<DestinationName, Destination> _destinations = new();
    private readonly SnapshotStabilizer _stabilizer;
    private readonly ITimer _expiry;
    private readonly Watch<ServiceSnapshot> _watch;
    private ServiceSnapshot? _listed;
    private volatile ServiceSnapshot? _snapshot;
    private int _preparing;

    public ServiceState(
        ServiceName service,
        IInstanceSource source,
        DestinationSettings settings,
        bool isKnown,
        WatchRunner watches,
        TransportFactory transports,
        TimeProvider time,
        MeshRandom random,
        ServiceBalancer balancer,
        HealthTelemetry? healthTelemetry = null,
        IdempotencyLog? idempotencyLog = null)
    {
        Service = service;
        Idempotency = settings.Retry.UseIdempotencyMetadata ? new PublishedIdempotency(service, idempotencyLog) : null;
        Balancer = balancer;
        Settings = settings;
        IsKnown = isKnown;
        _transports = transports;
        _time = time;
        _random = random;
        RetryBudget = new RetryBudget(
            settings.RetryBudgetRatio, settings.RetryBudgetPerSecond, MeshDefaults.RetryBudgetWindow, time.TimestampFrequency);
        Health = new ServiceHealth(service, settings.Health, time, random, healthTelemetry) { SlowStart = balancer.SlowStart };
        _prober = settings.Health.Probe.Kind == ProbeKind.Off ? null : new HealthProber(Health, LastUsed, time, healthTelemetry);
        Hedging = settings.Hedging is { } hedging ? new HedgingState(hedging, time) : null;
        Overload = new OverloadState(settings, time, random);
        _stabilizer = new SnapshotStabilizer(MeshDefaults.VanishedInstanceGrace, time);
        _expiry = time.CreateTimer(
            static state => ((ServiceState)state!).ApplyAgain(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (balancer.FollowsFleet)
        {
            balancer.FleetChanged += ApplyAgain;
        }

        _watch = watches.Start<ServiceSnapshot>(
            "instances", service.Value, (index, token) => source.ReadInstancesAsync(service, index, token), TakeIn);
    }

    public ServiceName Service { get; }

    public DestinationSettings Settings { get; }

    public ServiceBalancer Balancer { get; }

    public RetryBudget RetryBudget { get; }

    /// <summary>Null: no call is made a second time for being slow.</summary>
    public HedgingState? Hedging { get; }

    /// <summary>What its instances say of their endpoints; null: nobody asks.</summary>
    public PublishedIdempotency? Idempotency { get; }

    /// <summary>Null: nothing ever refuses calls for the failures of others.</summary>
    public CircuitBreaker? Breaker { get; init; }

    public OverloadState Overload { get; }

    /// <summary>What the source last said; null until it has said something.</summary>
    public ServiceSnapshot? Snapshot => _snapshot;

    /// <summary>
    /// Whether the service is known to exist: it has, or once had, an instance. A name that never had one is nothing of the
    /// mesh; one that had stays of the mesh, so that losing its instances cannot send calls elsewhere.
    /// </summary>
    public bool IsKnown { get; private set; }

    public int InFlight => Overload.Limiter.InFlight;

    /// <summary>Whether calls are in flight or wait for what they need.</summary>
    public bool IsBusy => InFlight > 0 || Overload.Limiter.Waiting > 0 || Volatile.Read(ref _preparing) > 0;

    /// <summary>How its instances fare, as calls see it.</summary>
    public ServiceHealth Health { get; }

    /// <summary>The tags of good calls to it.</summary>
    public KeptTags GoodTags { get; } = new(MostKeptTags);

    public Exception? DiscoveryFailure => _watch.LastFailure;

    public Destination GetDestination(in DestinationName name) =>
        _destinations.TryGetValue(name, out var existing) ? existing : AddDestination(name);

    public Task WaitForSnapshotAsync(CancellationToken cancellationToken) => _watch.FirstAsync(cancellationToken);

    public void BeginPreparing() => Interlocked.Increment(ref _preparing);

    public void EndPreparing() => Interlocked.Decrement(ref _preparing);

    public async ValueTask DisposeAsync()
    {
        Balancer.FleetChanged -= ApplyAgain;
        await _watch.DisposeAsync().ConfigureAwait(false);
        await _expiry.DisposeAsync().ConfigureAwait(false);
        if (_prober is not null)
        {
            await _prober.DisposeAsync().ConfigureAwait(false);
        }

        Overload.Dispose();
        lock (_lock)
        {
            foreach (var instance in _instances.Values)
            {
                instance.Transport.Dispose();
            }

            _instances.Clear();
        }
    }

    private Destination AddDestination(DestinationName name)
    {
        lock (_lock)
        {
            if (_destinations.TryGetValue(name, out var existing))
            {
                return existing;
            }

            var destination = new Destination(name, this);
            if (_snapshot is { } snapshot)
            {
                Fill(destination, snapshot);
            }

            _destinations.TryAdd(name, destination);
            // Last, because checks ask when a destination was used.
            ProbeInLock();
            return destination;
        }
    }

    private void TakeIn(ServiceSnapshot listed)
    {
        lock (_lock)
        {
            _listed = listed;
            // The first read of all may get here before the watch is assigned; nothing was away before it.
            StabilizeInLock(listed, cameBack: _watch?.LastFailure is not null);
        }
    }

    private void ApplyAgain()
    {
        lock (_lock)
        {
            if (_listed is { } listed)
            {
                StabilizeInLock(listed, cameBack: false);
            }
        }
    }

    private void StabilizeInLock(ServiceSnapshot listed, bool cameBack)
    {
        ApplyInLock(_stabilizer.Stabilize(listed, cameBack, out var nextExpiry));
        _expiry.Change(nextExpiry ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private void ApplyInLock(ServiceSnapshot snapshot)
    {
        IsKnown |= snapshot.Instances.Count > 0;
        Idempotency?.TakeIn(snapshot);
        foreach (var destination in _destinations.Values)
        {
            Fill(destination, snapshot);
        }

        // State survives for as long as the registry lists the instance, callable or not.
        var listed = new HashSet<InstanceKey>();
        foreach (var instance in snapshot.Instances)
        {
            foreach (var endpoint in instance.Endpoints)
            {
                listed.Add(new InstanceKey(instance, endpoint));
            }
        }

        foreach (var (key, state) in _instances.Where(pair => !listed.Contains(pair.Key)).ToList())
        {
            _instances.Remove(key);
            state.Ejection.SetListed(false);
            state.Transport.Dispose();
        }

        ProbeInLock();
        _snapshot = snapshot;
    }

    private void ProbeInLock() => _prober?.Update(_instances.Values.Where(instance => instance.Ejection.IsListed).ToHashSet());

    private long LastUsed() => _destinations.Values.Select(destination => destination.LastUsed).DefaultIfEmpty().Max();

    private void Fill(Destination destination, ServiceSnapshot snapshot)
    {
        var callable = new List<InstanceState>(snapshot.Instances.Count);
        int unhealthy = 0, refused = 0, unsuited = 0;
        var needsIdentity = false;
        foreach (var instance in snapshot.Instances)
        {
            var endpoint = EndpointSelection.Choose(
                instance, destination.Name, Settings.AllowPlaintext, out var plaintextRefused);
            if (endpoint is null)
            {
                _ = plaintextRefused ? refused++ : unsuited++;
                continue;
            }

            var key = new InstanceKey(instance, endpoint);
            if (!_instances.TryGetValue(key, out var state))
            {
                state = CreateInstance(instance, endpoint);
                _instances.Add(key, state);
                if (!destination.Callable.IsEmpty)
                {
                    Balancer.SlowStart?.Begin(state, _time.GetTimestamp());
                }
            }

            if (Idempotency is { } idempotency)
            {
                idempotency.Describe(state, instance, _time);
            }
            else
            {
                state.Describe(instance);
            }

            needsIdentity |= endpoint.Security == InstanceSecurity.Mesh;
            var isCallable = instance.Health != InstanceHealth.Critical && instance.Weight > 0;
            if (isCallable && !state.Ejection.IsListed)
            {
                // What calls found out before is what it was taken out for, or long ago.
                state.StartAnew(Balancer.SlowStart, _time.GetTimestamp());
            }

            state.Ejection.SetListed(isCallable);
            if (isCallable)
            {
                callable.Add(state);
            }
            else
            {
                unhealthy++;
            }
        }

        InstanceState[] list = [.. callable];
        destination.Replace(
            list,
            Balancer.Build(list, CountPerZone(snapshot)),
            Idempotency?.OfAll(list) ?? [],
            needsIdentity,
            new Unavailable(snapshot.Instances.Count, unhealthy, refused, unsuited));
    }

    private static Dictionary<string, int> CountPerZone(ServiceSnapshot snapshot)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var instance in snapshot.Instances)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(counts, instance.Zone ?? string.Empty, out _)++;
        }

        return counts;
    }

    private InstanceState CreateInstance(ServiceInstance instance, InstanceEndpoint endpoint)
    {
        return new InstanceState(
            instance,
            endpoint,
            Health,
            _time.TimestampFrequency,
            vitals => new InstanceTransport(_transports, instance, endpoint, Settings.ConnectTimeout, vitals))
        {
            PrefersHttp2 = Settings.PreferHttp2 ?? !instance.IsBehindProxy,
        };
    }

    // The expected identity is part of the key: connections made for another identity must not be used. So is what stands at the
    // other end of them: it decides what they speak.
    private sealed record InstanceKey(
        InstanceId Id, InstanceEndpoint Endpoint, ServiceName ExpectedService, SpiffeId? Identity, string Datacenter, bool IsBehindProxy)
    {
        public InstanceKey(ServiceInstance instance, InstanceEndpoint endpoint)
            : this(instance.Id, endpoint, instance.ExpectedService, instance.Identity, instance.Datacenter, instance.IsBehindProxy)
        {
        }
    }
}

/// <summary>Why instances of a service are not callable, for the error's text.</summary>
/// <param name="Listed">How many the registry lists.</param>
/// <param name="Unhealthy">Of these, critical, in maintenance or of weight 0.</param>
/// <param name="PlaintextRefused">Not of the mesh, and plaintext is not allowed.</param>
/// <param name="Unsuited">Without an endpoint of the name or scheme asked for.</param>
internal readonly record struct Unavailable(int Listed, int Unhealthy, int PlaintextRefused, int Unsuited);
