using System.Security.Cryptography.X509Certificates;
using MeshClient.Consul.Discovery;
using MeshClient.Consul.Identity;
using MeshClient.Consul.Intentions;
using MeshClient.Consul.Registration;
using MeshClient.Consul.Wire;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Identity;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;
using MeshClient.Core.Registration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace MeshClient.Consul;

/// <summary>
/// The control plane behind the Consul HTTP API: a Consul agent, or a MeshClient.Server. Safe for use from many threads.
/// </summary>
/// <remarks>
/// It repeats nothing and waits for nothing of its own accord: back-off, pace and the last good value are the caller's part.
/// Every failure is a <see cref="ControlPlaneException"/>; the caller's own cancellation is an
/// <see cref="OperationCanceledException"/>. Its connections are its own: no proxy, no redirects, HTTP/1.1.
/// </remarks>
public sealed class ConsulControlPlane
    : IInstanceSource, IIntentionSource, ITrustBundleSource, ILeafCertificateSource, ICertificateSigner, IServiceRegistrar, IDisposable
{
    private readonly ConsulTransport _transport;
    private readonly InstanceReader _instances;
    private readonly IntentionReader _intentions;
    private readonly TrustBundleReader _trustBundle;
    private readonly LeafReader _leaf;
    private readonly CertificateSigner _signer;
    private readonly RegistrationWriter _registration;

    /// <summary>Makes one; nothing is sent yet.</summary>
    /// <param name="options">How the agent is reached. Read once; later changes have no effect.</param>
    /// <param name="timeProvider">The clock for time limits.</param>
    /// <param name="logger">Gets warnings about data that had to be left out. Null: nobody does.</param>
    /// <exception cref="ArgumentException">The options are not usable; the message names every mistake.</exception>
    public ConsulControlPlane(ConsulOptions options, TimeProvider timeProvider, ILogger<ConsulControlPlane>? logger = null)
        : this(options, timeProvider, logger, handler: null)
    {
    }

    internal ConsulControlPlane(
        ConsulOptions options, TimeProvider timeProvider, ILogger<ConsulControlPlane>? logger, HttpMessageHandler? handler)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(timeProvider);
        var problems = options.FindProblems();
        if (problems.Count > 0)
        {
            throw new ArgumentException(string.Join(" ", problems), nameof(options));
        }

        var own = new ConsulOptions
        {
            Address = options.Address,
            Token = options.Token,
            CaFile = options.CaFile,
            Datacenter = options.Datacenter,
            Wait = options.Wait,
            RequestTimeout = options.RequestTimeout,
            MaxParkedQueries = options.MaxParkedQueries,
        };
        ILogger log = logger ?? NullLogger<ConsulControlPlane>.Instance;
        if (own.Address.Scheme == Uri.UriSchemeHttp && !own.Address.IsLoopback)
        {
            ConsulLog.UnprotectedAddress(log, own.Address.GetLeftPart(UriPartial.Authority));
        }

        _transport = new ConsulTransport(own, timeProvider, handler);
        _instances = new InstanceReader(_transport, own, log);
        _intentions = new IntentionReader(_transport, own, log);
        _trustBundle = new TrustBundleReader(_transport, own, log);
        _leaf = new LeafReader(_transport, own);
        _signer = new CertificateSigner(_transport);
        _registration = new RegistrationWriter(_transport);
    }

    /// <inheritdoc/>
    public Task<Watched<ServiceSnapshot>> ReadInstancesAsync(ServiceName service, ulong index, CancellationToken cancellationToken) =>
        _instances.ReadAsync(Checked(service), index, cancellationToken);

    /// <inheritdoc/>
    public Task<Watched<IntentionSnapshot>> ReadIntentionsAsync(
        ServiceName destination, ulong index, CancellationToken cancellationToken) =>
        _intentions.ReadAsync(Checked(destination), index, cancellationToken);

    /// <inheritdoc/>
    public Task<Watched<TrustBundle>> ReadTrustBundleAsync(ulong index, CancellationToken cancellationToken) =>
        _trustBundle.ReadAsync(index, cancellationToken);

    /// <inheritdoc/>
    public Task<Watched<LeafCertificate>> ReadLeafAsync(ServiceName service, ulong index, CancellationToken cancellationToken) =>
        _leaf.ReadAsync(Checked(service), index, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>A MeshClient.Server signs requests; Consul has no such call.</remarks>
    public Task<IReadOnlyList<X509Certificate2>?> SignAsync(
        ServiceName service, string requestPem, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(requestPem);
        return _signer.SignAsync(Checked(service), requestPem, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The registration has no unnamed first endpoint, or a time to live under 1 s.</exception>
    public Task RegisterAsync(InstanceRegistration registration, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(registration);
        return _registration.RegisterAsync(registration, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<HeartbeatResult> BeatAsync(InstanceId instance, string note, CancellationToken cancellationToken) =>
        _registration.BeatAsync(instance, note ?? string.Empty, cancellationToken);

    /// <inheritdoc/>
    public Task SetMaintenanceAsync(InstanceId instance, bool enabled, string reason, CancellationToken cancellationToken) =>
        _registration.SetMaintenanceAsync(instance, enabled, reason ?? string.Empty, cancellationToken);

    /// <inheritdoc/>
    public Task DeregisterAsync(InstanceId instance, CancellationToken cancellationToken) =>
        _registration.DeregisterAsync(instance, cancellationToken);

    /// <summary>Ends every call and closes the connections.</summary>
    public void Dispose() => _transport.Dispose();

    private static ServiceName Checked(ServiceName service) =>
        service.IsEmpty ? throw new ArgumentException("The service has no name.", nameof(service)) : service;
}
