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
public sealed partial class InMemoryControlPlane
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

    private T Locked<T>(Func<T> read)
    {
        lock (_gate.Lock)
        {
            return read();
        }
    }
}
