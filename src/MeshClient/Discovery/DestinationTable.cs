using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using MeshClient.Balancing;
using MeshClient.Configuration;
using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Naming;
using MeshClient.Health;
using MeshClient.Identity;
using MeshClient.Resilience;
using MeshClient.Transport;
using Microsoft.Extensions.Options;

namespace MeshClient.Discovery;

/// <summary>
/// All services this process calls. A service is watched from its first call on and forgotten when it has not been called for
/// a while.
/// </summary>
internal sealed class DestinationTable : IAsyncDisposable, IDisposable
{
    private static readonly int Schemes = Enum.GetValues<SchemePreference>().Length;

    private readonly MeshOptions _options;
    private readonly IInstanceSource? _registry;
    private readonly ConfigurationInstanceSource? _configuration;
    private readonly MeshIdentity _identity;
    private readonly WatchRunner _watches;
    private readonly TransportFactory _transports;
    private readonly TimeProvider _time;
    private readonly MeshRandom _random;
    private readonly PickerFactory _pickers;
    private readonly HealthTelemetry? _healthTelemetry;
    private readonly IdempotencyLog? _idempotencyLog;
    private readonly MeshCircuitBreakers _breakers;
    private readonly ConcurrentDictionary<ServiceName, ServiceState> _services = new();
    private readonly ConcurrentDictionary<string, Destination>[] _byHost;
    private readonly HashSet<ServiceName> _forgotten = [];
    private readonly Lock _lock = new();
    private readonly ITimer _sweeper;
    private bool _disposed;

    public DestinationTable(
        IOptions<MeshOptions> options,
        MeshControlPlane controlPlane,
        MeshIdentity identity,
        WatchRunner watches,
        TransportFactory transports,
        TimeProvider time,
        MeshRandom random,
        PickerFactory pickers,
        MeshCircuitBreakers breakers,
        ConfigurationInstanceSource? configuration = null,
        HealthTelemetry? healthTelemetry = null,
        IdempotencyLog? idempotencyLog = null)
    {
        _options = options.Value;
        _registry = controlPlane.Instances;
        _breakers = breakers;
        _configuration = configuration;
        _identity = identity;
        _watches = watches;
        _transports = transports;
        _time = time;
        _random = random;
        _pickers = pickers;
        _healthTelemetry = healthTelemetry;
        _idempotencyLog = idempotencyLog;
        _byHost = new ConcurrentDictionary<string, Destination>[Schemes];
        for (var i = 0; i < Schemes; i++)
        {
            _byHost[i] = new ConcurrentDictionary<string, Destination>(StringComparer.Ordinal);
        }

        var period = _options.WatchIdleTimeout / 2;
        _sweeper = time.CreateTimer(static state => ((DestinationTable)state!).Sweep(), this, period, period);
    }

    /// <summary>The services watched now.</summary>
    public IEnumerable<ServiceState> Services => _services.Values;

    /// <summary>
    /// Finds where an address leads, if it names a service that could be of the mesh. Whether it is, is known when
    /// <see cref="PrepareAsync"/> has been through.
    /// </summary>
    public bool TryFind(Uri uri, [NotNullWhen(true)] out Destination? destination)
    {
        destination = null;
        if (!uri.IsAbsoluteUri || DestinationName.SchemeOf(uri) is not { } scheme || !(uri.IsDefaultPort || uri.Port == -1))
        {
            return false;
        }

        return _byHost[(int)scheme].TryGetValue(uri.Host, out destination) || TryAdd(uri, scheme, out destination);
    }

    /// <summary>Whether a destination can be called without waiting for anything.</summary>
    public bool IsReady(Destination destination) =>
        destination.Service.Snapshot is not null && (!destination.NeedsIdentity || _identity.Current is not null);

    /// <summary>Waits for the instances of a destination, and for our certificate where they ask for one.</summary>
    /// <exception cref="OperationCanceledException">The token fired first.</exception>
    /// <exception cref="ControlPlaneException">The control plane refused.</exception>
    /// <exception cref="InvalidOperationException">This process cannot have an identity.</exception>
    public async Task PrepareAsync(Destination destination, CancellationToken cancellationToken)
    {
        await destination.Service.WaitForSnapshotAsync(cancellationToken).ConfigureAwait(false);
        if (destination.NeedsIdentity)
        {
            await _identity.GetAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Why there is no certificate yet; null when nothing has failed.</summary>
    public Exception? IdentityFailure => _identity.LastFailure;

    /// <summary>Whether an address with a scheme only the mesh understands.</summary>
    public static bool IsMeshScheme(Uri uri) =>
        uri.IsAbsoluteUri && DestinationName.SchemeOf(uri) is SchemePreference.HttpsThenHttp or SchemePreference.HttpThenHttps;

    /// <summary>The same without waiting for reads in progress to end, for containers that are disposed synchronously.</summary>
    public void Dispose() => _ = DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _disposed = true;
        }

        await _sweeper.DisposeAsync().ConfigureAwait(false);
        foreach (var service in _services.Values)
        {
            await service.DisposeAsync().ConfigureAwait(false);
        }

        _services.Clear();
        _configuration?.Dispose();
    }

    private bool TryAdd(Uri uri, SchemePreference scheme, [NotNullWhen(true)] out Destination? destination)
    {
        destination = null;
        if (!DestinationName.TryParse(uri, out var name) || SourceOf(name.Value.Service) is not { } source)
        {
            return false;
        }

        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var service = _services.GetOrAdd(name.Value.Service, key =>
            {
                var settings = DestinationSettings.For(_options, key.Value);
                return new ServiceState(
                    key, source, settings, _forgotten.Contains(key), _watches, _transports, _time, _random,
                    _pickers.Create(key, settings.Balancing), _healthTelemetry, _idempotencyLog)
                {
                    Breaker = _breakers.For(key),
                };
            });
            destination = service.GetDestination(name.Value);
            destination.Touch(_time.GetTimestamp());
            _byHost[(int)scheme][uri.Host] = destination;
            return true;
        }
    }

    // Configuration wins, so that a developer can point one name at a local process. A name with a dot is asked of the registry
    // only when the app says it is a service: it is far more often a host of the outside world.
    private IInstanceSource? SourceOf(ServiceName service) =>
        _configuration is not null && _configuration.Knows(service) ? _configuration
        : !service.Value.Contains('.', StringComparison.Ordinal) || _options.Destinations.ContainsKey(service.Value) ? _registry
        : null;

    private void Sweep()
    {
        var idleSince = _time.GetTimestamp() - (long)(_options.WatchIdleTimeout.TotalSeconds * _time.TimestampFrequency);
        lock (_lock)
        {
            var busy = new HashSet<ServiceState>();
            foreach (var hosts in _byHost)
            {
                foreach (var destination in hosts.Values)
                {
                    if (destination.LastUsed > idleSince || destination.Service.IsBusy)
                    {
                        busy.Add(destination.Service);
                    }
                }
            }

            foreach (var (name, service) in _services.Where(pair => !busy.Contains(pair.Value)).ToList())
            {
                foreach (var hosts in _byHost)
                {
                    foreach (var (host, _) in hosts.Where(pair => ReferenceEquals(pair.Value.Service, service)).ToList())
                    {
                        hosts.TryRemove(host, out _);
                    }
                }

                _services.TryRemove(name, out _);
                if (service.IsKnown)
                {
                    // Still a service of the mesh, even if the registry has none of it when it is next called.
                    _forgotten.Add(name);
                }

                _ = service.DisposeAsync().AsTask();
            }
        }
    }
}
