using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;

namespace MeshClient.Testing;

/// <summary>
/// A control plane in memory, for tests: all the ports, with true waiting by index, and every trouble a real one can give,
/// on demand. A change wakes the reads that wait for it before the changing call returns. Safe for use from several threads.
/// </summary>
/// <remarks>
/// It has no clock of its own: a wait ends without news only by <see cref="EndWaits"/>, and a time to live only by
/// <see cref="Expire"/>.
/// </remarks>
public sealed class InMemoryControlPlane
    : IInstanceSource, IIntentionSource, ITrustBundleSource, ILeafCertificateSource, IServiceRegistrar, IDisposable
{
    private readonly CallGate _gate = new();
    private readonly InMemoryCatalog _catalog;
    private readonly InMemoryIntentions _intentions;
    private readonly InMemoryLeaves _leaves;
    private readonly Topic _bundle;
    private readonly bool _ownsAuthority;
    private readonly List<InstanceRegistration> _registrations = [];
    private readonly List<InstanceId> _deregistrations = [];
    private readonly List<HeartbeatRecord> _beats = [];
    private readonly List<MaintenanceRecord> _maintenance = [];
    private int _endedWaits;

    /// <summary>Makes one that knows no services, and denies calls that no intention is about.</summary>
    /// <param name="authority">Who issues the certificates; stays the caller's. Default: one of its own.</param>
    /// <param name="datacenter">The datacenter of whatever registers. Default: <c>dc1</c>.</param>
    public InMemoryControlPlane(TestCertificateAuthority? authority = null, string datacenter = "dc1")
    {
        _ownsAuthority = authority is null;
        Authority = authority ?? new TestCertificateAuthority();
        Datacenter = datacenter;
        var counter = new IndexCounter();
        _catalog = new InMemoryCatalog(counter);
        _intentions = new InMemoryIntentions(counter);
        _leaves = new InMemoryLeaves(counter, Authority, datacenter);
        _bundle = new Topic(counter);
    }

    /// <summary>
    /// Who issues the certificates. Rotate it by <see cref="RotateRoots"/>, or those who wait for the change do not notice.
    /// </summary>
    public TestCertificateAuthority Authority { get; }

    /// <summary>The datacenter of whatever registers.</summary>
    public string Datacenter { get; }

    /// <summary>From beginning to end of a leaf, for those issued from now on. Default: 72 hours.</summary>
    public TimeSpan LeafLifetime
    {
        get => Locked(() => _leaves.Lifetime);
        set => _gate.Change(() => _leaves.Lifetime = value);
    }

    /// <summary>Every registration that was accepted, in order, repeated ones too.</summary>
    public IReadOnlyList<InstanceRegistration> Registrations => Locked(() => _registrations.ToArray());

    /// <summary>Every deregistration that was accepted, in order, of unknown instances too.</summary>
    public IReadOnlyList<InstanceId> Deregistrations => Locked(() => _deregistrations.ToArray());

    /// <summary>Every heartbeat that was answered, in order, of unknown instances too.</summary>
    public IReadOnlyList<HeartbeatRecord> Beats => Locked(() => _beats.ToArray());

    /// <summary>Every maintenance call that was accepted, in order, about unknown instances too.</summary>
    public IReadOnlyList<MaintenanceRecord> Maintenance => Locked(() => _maintenance.ToArray());

    /// <summary>How many calls wait for an answer: reads that wait for news, and all that are stalled.</summary>
    public int ParkedCalls => _gate.ParkedCalls;

    /// <summary>How often the trust bundle was asked for, answered or not.</summary>
    public int TrustBundleReads => Locked(() => _bundle.Reads);

    /// <summary>How often a service's instances were asked for, answered or not.</summary>
    public int InstanceReads(ServiceName service) => Locked(() => _catalog.TopicOf(service).Reads);

    /// <summary>How often the intentions about calls to a service were asked for, answered or not.</summary>
    public int IntentionReads(ServiceName destination) => Locked(() => _intentions.ReadsOf(destination));

    /// <summary>How often a service's leaf was asked for, answered or not.</summary>
    public int LeafReads(ServiceName service) => Locked(() => _leaves.TopicOf(service).Reads);

    /// <summary>What a read of a service's instances would give now. Counts as no read and never fails.</summary>
    public ServiceSnapshot Instances(ServiceName service) => Locked(() => _catalog.Read(service));

    /// <inheritdoc/>
    public Task<Watched<ServiceSnapshot>> ReadInstancesAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        var topic = Locked(() => _catalog.TopicOf(service));
        return ReadAsync(topic, () => topic.Reads++, () => _catalog.Read(service), index, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<Watched<IntentionSnapshot>> ReadIntentionsAsync(
        ServiceName destination, ulong index, CancellationToken cancellationToken) =>
        ReadAsync(
            _intentions.Topic,
            () => _intentions.CountRead(destination),
            () => _intentions.Read(destination),
            index,
            cancellationToken);

    /// <inheritdoc/>
    public Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken) =>
        ReadAsync(_bundle, () => _bundle.Reads++, Authority.CopyBundle, index, cancellationToken);

    /// <inheritdoc/>
    public Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken)
    {
        var topic = Locked(() => _leaves.TopicOf(service));
        return ReadAsync(topic, () => topic.Reads++, () => _leaves.Read(service), index, cancellationToken);
    }

    /// <inheritdoc/>
    public Task RegisterAsync(InstanceRegistration registration, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(registration);
        return CallAsync(
            () =>
            {
                _registrations.Add(registration);
                _catalog.Register(registration, Datacenter);
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<HeartbeatResult> BeatAsync(InstanceId instance, string note, CancellationToken cancellationToken) => CallAsync(
        () =>
        {
            _beats.Add(new HeartbeatRecord(instance, note));
            return _catalog.Change(instance, entry => entry.IsExpired = false)
                ? HeartbeatResult.Accepted
                : HeartbeatResult.UnknownInstance;
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task SetMaintenanceAsync(InstanceId instance, bool enabled, string reason, CancellationToken cancellationToken) => CallAsync(
        () =>
        {
            _maintenance.Add(new MaintenanceRecord(instance, enabled, reason));
            return _catalog.Change(instance, entry => entry.IsInMaintenance = enabled);
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task DeregisterAsync(InstanceId instance, CancellationToken cancellationToken) => CallAsync(
        () =>
        {
            _deregistrations.Add(instance);
            return _catalog.Remove(instance);
        },
        cancellationToken);

    /// <summary>Makes these the instances of a service, and no others.</summary>
    /// <exception cref="ArgumentException">One belongs to another service.</exception>
    public void SetInstances(ServiceName service, params IReadOnlyList<ServiceInstance> instances)
    {
        ArgumentNullException.ThrowIfNull(instances);
        if (instances.FirstOrDefault(instance => instance.Service != service) is { } stranger)
        {
            throw new ArgumentException($"'{stranger.Id}' is an instance of '{stranger.Service}'.", nameof(instances));
        }

        _gate.Change(() => _catalog.Set(service, instances));
    }

    /// <summary>Adds an instance, or replaces the one with its id.</summary>
    public void AddInstance(ServiceInstance instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        _gate.Change(() => _catalog.Put(instance));
    }

    /// <summary>Adds a passing instance with one endpoint and the id <c>service-host-port</c>.</summary>
    /// <param name="service">The service.</param>
    /// <param name="host">Where it serves.</param>
    /// <param name="port">At which port.</param>
    /// <param name="security">How it is called. Default: mutual TLS.</param>
    /// <returns>The instance.</returns>
    public ServiceInstance AddInstance(ServiceName service, string host, int port, InstanceSecurity security = InstanceSecurity.Mesh)
    {
        var instance = new ServiceInstance
        {
            Id = new InstanceId($"{service}-{host}-{port}"),
            Service = service,
            ExpectedService = service,
            Datacenter = Datacenter,
            Endpoints = [new InstanceEndpoint(null, host, port, security)],
        };
        AddInstance(instance);
        return instance;
    }

    /// <summary>Takes an instance away, as when it was deregistered.</summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void RemoveInstance(InstanceId instance) => ChangeKnown(instance, () => _catalog.Remove(instance));

    /// <summary>
    /// Loses an instance, as a registry that was restored does: it is not listed, and its next heartbeat is answered with
    /// <see cref="HeartbeatResult.UnknownInstance"/>.
    /// </summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void ForgetInstance(InstanceId instance) => RemoveInstance(instance);

    /// <summary>Loses all instances, as a registry that was restarted empty does.</summary>
    public void ForgetAllInstances() => _gate.Change(_catalog.Clear);

    /// <summary>
    /// Sets what the checks other than the heartbeat say of an instance. A heartbeat or registration does not undo it.
    /// </summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void SetHealth(InstanceId instance, InstanceHealth health) => ChangeKnown(
        instance, () => _catalog.Change(instance, entry => entry.Instance = entry.Instance with { Health = health }));

    /// <summary>Lets an instance's time to live run out: it is critical until its next heartbeat or registration.</summary>
    /// <exception cref="ArgumentException">There is none with that id.</exception>
    public void Expire(InstanceId instance) =>
        ChangeKnown(instance, () => _catalog.Change(instance, entry => entry.IsExpired = true));

    /// <summary>Makes these the intentions about a destination; those about any destination stay.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="defaultAction">What holds for it when none matches; null: the control plane does not say.</param>
    /// <param name="intentions">The intentions.</param>
    /// <exception cref="ArgumentException">One has another destination.</exception>
    public void SetIntentions(
        ServiceName destination, IntentionAction? defaultAction, params IReadOnlyList<Intention> intentions)
    {
        ArgumentNullException.ThrowIfNull(intentions);
        if (intentions.FirstOrDefault(intention => intention.Destination != destination.Value) is { } stranger)
        {
            throw new ArgumentException($"'{stranger.Id}' is about '{stranger.Destination}'.", nameof(intentions));
        }

        _gate.Change(() => _intentions.Set(destination, defaultAction, intentions));
    }

    /// <summary>
    /// Sets what holds for every destination when no intention matches; null: the control plane does not say. At first: deny.
    /// </summary>
    public void SetDefaultAction(IntentionAction? action) => _gate.Change(() => _intentions.SetDefault(action));

    /// <summary>Allows a source to call a destination, in place of what held for just this pair.</summary>
    /// <param name="source">A service, or <c>*</c>.</param>
    /// <param name="destination">A service, or <c>*</c>.</param>
    public void Allow(string source, string destination) => Put(source, destination, IntentionAction.Allow);

    /// <summary>Denies a source to call a destination, in place of what held for just this pair.</summary>
    /// <param name="source">A service, or <c>*</c>.</param>
    /// <param name="destination">A service, or <c>*</c>.</param>
    public void Deny(string source, string destination) => Put(source, destination, IntentionAction.Deny);

    /// <summary>Removes the intention about just this pair, if there is one.</summary>
    public void RemoveIntention(string source, string destination) =>
        _gate.Change(() => _intentions.Remove(source, destination));

    /// <summary>
    /// Makes a new root, which signs from now on, and renews every leaf. See <see cref="TestCertificateAuthority.Rotate"/>.
    /// </summary>
    /// <param name="crossSign">Whether the new leaves come with the new root signed by the old one. Default: true.</param>
    public void RotateRoots(bool crossSign = true) => _gate.Change(() =>
    {
        Authority.Rotate(crossSign);
        _bundle.Move();
        _leaves.Renew();
    });

    /// <summary>Stops trusting all roots but the signing one. See <see cref="TestCertificateAuthority.RetireOldRoots"/>.</summary>
    public void RetireOldRoots() => _gate.Change(() =>
    {
        Authority.RetireOldRoots();
        _bundle.Move();
    });

    /// <summary>Issues every leaf anew.</summary>
    public void RenewLeaves() => _gate.Change(_leaves.Renew);

    /// <summary>Makes this the leaf of a service, until it is renewed. A copy is taken.</summary>
    public void SetLeaf(ServiceName service, LeafCertificate leaf)
    {
        ArgumentNullException.ThrowIfNull(leaf);
        _gate.Change(() => _leaves.Set(service, leaf));
    }

    /// <summary>Makes all calls fail, waiting ones too, until it is called with null.</summary>
    /// <param name="failure">How they fail; each call gets a new exception of this content. Null: they work again.</param>
    public void FailWith(ControlPlaneException? failure) => _gate.FailWith(failure);

    /// <summary>Makes all calls hang, also reads that have an answer, until <see cref="Release"/> or their cancellation.</summary>
    public void Stall() => _gate.Stall(true);

    /// <summary>Ends <see cref="Stall"/>: what has hung is answered.</summary>
    public void Release() => _gate.Stall(false);

    /// <summary>Answers the reads that wait for news with what they know, as a control plane does at the end of its wait.</summary>
    public void EndWaits() => _gate.Change(() => _endedWaits++);

    /// <summary>
    /// Waits until at least so many calls are parked. A call that a change has let go counts no more when the change returns.
    /// </summary>
    /// <param name="count">How many.</param>
    /// <param name="timeout">How long to wait, in real time. Default: 10 s.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="TimeoutException">It did not happen in time.</exception>
    public Task WaitForParkedCallsAsync(int count, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        _gate.Conditions.WaitAsync(
            () => _gate.ParkedCalls >= count,
            () => $"there were not {count} parked calls, but {ParkedCalls}.",
            timeout,
            cancellationToken);

    /// <summary>Waits until something holds, such as <c>plane => plane.Beats.Count >= 2</c>.</summary>
    /// <param name="condition">Looked at after each call and change; quick, and about this object only.</param>
    /// <param name="timeout">How long to wait, in real time. Default: 10 s.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="TimeoutException">It did not happen in time.</exception>
    public Task WaitForAsync(
        Func<InMemoryControlPlane, bool> condition, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(condition);
        return _gate.Conditions.WaitAsync(
            () => condition(this), () => "the condition did not come to hold.", timeout, cancellationToken);
    }

    /// <summary>Ends all calls: those that wait, and those that come, fail as with a control plane that cannot be reached.</summary>
    public void Dispose()
    {
        FailWith(new ControlPlaneException(ControlPlaneFailure.Unreachable, "The in-memory control plane has been disposed."));
        Locked(() =>
        {
            _leaves.Dispose();
            return true;
        });
        if (_ownsAuthority)
        {
            Authority.Dispose();
        }
    }

    private Task<Watched<T>> ReadAsync<T>(
        Topic topic, Action count, Func<T> read, ulong index, CancellationToken cancellationToken)
    {
        var endedWaits = Locked(() => _endedWaits);
        return _gate.CallAsync(
            count,
            () => index != topic.Index || _endedWaits != endedWaits,
            () => new Watched<T>(read(), topic.Index),
            cancellationToken);
    }

    private Task<T> CallAsync<T>(Func<T> call, CancellationToken cancellationToken) =>
        _gate.CallAsync(static () => { }, static () => true, call, cancellationToken);

    private void Put(string source, string destination, IntentionAction action)
    {
        var intention = new Intention
        {
            Id = $"{Checked(source)}->{Checked(destination)}",
            Source = source,
            Destination = destination,
            Action = action,
        };
        _gate.Change(() => _intentions.Put(intention));
    }

    private static string Checked(string name) => name == Intention.Wildcard ? name : ServiceName.Parse(name).Value;

    private void ChangeKnown(InstanceId instance, Func<bool> change)
    {
        var known = false;
        _gate.Change(() => known = change());
        if (!known)
        {
            throw new ArgumentException($"There is no instance '{instance}'.", nameof(instance));
        }
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_gate.Lock)
        {
            return read();
        }
    }
}
