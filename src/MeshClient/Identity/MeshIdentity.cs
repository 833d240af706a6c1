using System.Net.Security;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Identity;
using MeshClient.Core.Naming;
using Microsoft.Extensions.Logging;

namespace MeshClient.Identity;

/// <summary>
/// This process's identity, kept fresh in the background: fetched on first use, renewed by the control plane's word,
/// replaced as a whole. One for outbound and inbound together.
/// </summary>
internal sealed partial class MeshIdentity : IAsyncDisposable, IDisposable
{
    private readonly ILeafCertificateSource? _leaves;
    private readonly ITrustBundleSource? _bundles;
    private readonly WatchRunner _watches;
    private readonly ILogger<MeshIdentity> _logger;
    private readonly ExpiryWarner _warner;
    private readonly KnownIntermediates _intermediates = new();
    private readonly ForeignBundles _foreign;
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<IdentitySnapshot> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Watch<LeafCertificate>? _leafWatch;
    private Watch<TrustBundle>? _bundleWatch;
    private LeafCertificate? _leaf;
    private SslStreamCertificateContext? _context;
    private TrustBundle? _bundle;
    private volatile IdentitySnapshot? _current;
    private bool _disposed;

    public MeshIdentity(
        ServiceName service,
        ILeafCertificateSource? leaves,
        ITrustBundleSource? bundles,
        WatchRunner watches,
        ILogger<MeshIdentity> logger,
        IdentitySettings? settings = null,
        TimeProvider? time = null,
        IdentityTelemetry? telemetry = null,
        IReadOnlyList<ForeignTrustDomain>? foreign = null)
    {
        Service = service;
        _leaves = leaves;
        _bundles = bundles;
        _watches = watches;
        _logger = logger;
        Settings = settings ?? new IdentitySettings();
        Telemetry = telemetry;
        _foreign = new ForeignBundles(foreign ?? []);
        _warner = new ExpiryWarner(() => LastFailure, time ?? TimeProvider.System, logger);
        telemetry?.Observe(this);
    }

    public IdentitySettings Settings { get; }

    public IdentityTelemetry? Telemetry { get; }

    /// <summary>The service this process is a copy of; empty when it was not told, then it has no identity.</summary>
    public ServiceName Service { get; }

    /// <summary>Whether there can be an identity at all: a service name and a control plane that issues certificates.</summary>
    public bool IsConfigured => !Service.IsEmpty && _leaves is not null && _bundles is not null;

    /// <summary>The identity in force; null until the first one has been fetched.</summary>
    public IdentitySnapshot? Current => _current;

    /// <summary>Raised with each renewed identity, on a background thread. Handlers must not throw.</summary>
    public event Action<IdentitySnapshot>? Changed;

    /// <summary>Raised with each new trust bundle, also before there is an identity. Handlers must not throw.</summary>
    public event Action<TrustBundle>? RootsChanged;

    /// <summary>
    /// Waits for the first identity, and for one look at the roots of each other trust domain, so that nobody's members are refused
    /// for their roots not having been read yet.
    /// </summary>
    /// <exception cref="InvalidOperationException">This process cannot have one.</exception>
    /// <exception cref="ControlPlaneException">The control plane refused to issue one, or what it issues goes against the settings.</exception>
    public async ValueTask<IdentitySnapshot> GetAsync(CancellationToken cancellationToken)
    {
        if (_current is { } current)
        {
            return current;
        }

        EnsureStarted();
        await Task.WhenAll(
            _leafWatch!.FirstAsync(cancellationToken), _bundleWatch!.FirstAsync(cancellationToken)).ConfigureAwait(false);
        return await _first.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Why <see cref="IdentitySnapshot.FindBundle"/> finds nothing for a trust domain, and what to do, for an error's text.</summary>
    public string DescribeMissingRoots(string trustDomain) => _foreign.FailureOf(trustDomain) is { } failure
        ? $"the roots of its trust domain could not be read (Mesh:Identity:TrustDomains:{trustDomain}): {failure.Message}"
        : $"no roots of its trust domain are known: set Mesh:Identity:TrustDomains:{trustDomain}:RootsFile.";

    /// <summary>Why there is no newer identity; null when nothing has failed.</summary>
    public Exception? LastFailure => _leafWatch?.LastFailure ?? _bundleWatch?.LastFailure;

    /// <summary>The same without waiting for reads in progress to end, for containers that are disposed synchronously.</summary>
    public void Dispose() => _ = DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        IAsyncDisposable?[] watches;
        lock (_lock)
        {
            _disposed = true;
            watches = [_leafWatch, _bundleWatch, _foreign];
        }

        foreach (var watch in watches.OfType<IAsyncDisposable>())
        {
            await watch.DisposeAsync().ConfigureAwait(false);
        }

        _warner.Dispose();
        // The last ones. Those replaced before are left to the garbage collector: handshakes under way may have been using them.
        lock (_lock)
        {
            _current = null;
            _leaf?.Dispose();
            _bundle?.Dispose();
        }
    }

    private void EnsureStarted()
    {
        if (!IsConfigured)
        {
            throw new InvalidOperationException(
                "This process has no mesh identity: set Mesh:Service to its service name and Mesh:ControlPlane:Address to a registry, or Mesh:Identity:CertificateFile, PrivateKeyFile and RootsFile.");
        }

        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_leafWatch is not null)
            {
                return;
            }

            _bundleWatch = _watches.Start(
                "trust-bundle", string.Empty, _bundles!.ReadTrustBundleAsync, bundle => Update(null, bundle));
            _leafWatch = _watches.Start(
                "leaf", Service.Value, (index, token) => _leaves!.ReadLeafAsync(Service, index, token), leaf => Update(leaf, null));
            _foreign.Start(_watches, () => Update(null, null));
        }
    }

    private void Update(LeafCertificate? leaf, TrustBundle? bundle)
    {
        if (bundle is not null)
        {
            ThrowIfNamedAsForeign(bundle.TrustDomain);
            RootsChanged?.Invoke(bundle);
        }

        IdentitySnapshot next;
        LeafCertificate? previous;
        lock (_lock)
        {
            // Throws for a leaf that cannot be used, before anything is kept of it: the one in force, if any, stays, and goes on
            // with new roots.
            var context = leaf is null ? _context : IdentitySnapshot.ContextOf(leaf);
            leaf ??= _leaf;
            bundle ??= _bundle;
            (_leaf, _context, _bundle) = (leaf, context, bundle);
            if (leaf is null || context is null || bundle is null || !_foreign.AreTried)
            {
                return;
            }

            previous = _current?.Leaf;
            next = new IdentitySnapshot(leaf, context, bundle, _foreign.Current, _intermediates);
            _current = next;
        }

        if (!ReferenceEquals(previous, next.Leaf))
        {
            _warner.Watch(next.Leaf);
            if (previous is not null)
            {
                Telemetry?.Renewed();
            }
        }

        LogIdentity(_logger, next.Leaf.Id.ToString(), next.Leaf.Certificate.SerialNumber, next.Leaf.NotAfter, next.Bundle.Roots.Count);
        _first.TrySetResult(next);
        Changed?.Invoke(next);
    }

    // The roots of the file would count for nothing, and whoever wrote it there takes them for trusted.
    private void ThrowIfNamedAsForeign(string trustDomain)
    {
        if (_foreign.Has(trustDomain))
        {
            throw new ControlPlaneException(ControlPlaneFailure.Rejected, IdentityChecks.NamesOwnTrustDomain(trustDomain));
        }
    }

    [LoggerMessage(10, LogLevel.Information, "Identity {Id}, serial {Serial}, valid until {NotAfter:O}, {Roots} trusted roots.")]
    private static partial void LogIdentity(ILogger logger, string id, string serial, DateTimeOffset notAfter, int roots);
}
