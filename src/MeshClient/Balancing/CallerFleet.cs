using MeshClient.ControlPlane;
using MeshClient.Core.ControlPlane;
using MeshClient.Core.Discovery;
using MeshClient.Core.Naming;

namespace MeshClient.Balancing;

/// <summary>
/// The copies of this app's own service, as the registry lists them: which place this process has among them, and where they are.
/// Watched only when a policy asks for it.
/// </summary>
/// <param name="service">The service this app is a copy of; null: none.</param>
/// <param name="source">The registry; null: none.</param>
/// <param name="watches">Runs the watch.</param>
/// <param name="random">Where the seed comes from.</param>
internal sealed class CallerFleet(ServiceName? service, IInstanceSource? source, WatchRunner watches, MeshRandom random)
    : IAsyncDisposable, IDisposable
{
    private readonly Lock _lock = new();
    private Watch<ServiceSnapshot>? _watch;
    private IReadOnlyList<ServiceInstance> _copies = [];
    private InstanceId? _self;
    private bool _disposed;

    /// <summary>What is known has changed.</summary>
    public event Action? Changed;

    /// <summary>A number of this process's own.</summary>
    public ulong Seed { get; } = random.NextBits();

    /// <summary>Tells which of the copies this process is, once it is registered.</summary>
    public void Identify(InstanceId self)
    {
        lock (_lock)
        {
            _self = self;
        }

        Changed?.Invoke();
    }

    /// <summary>Begins to watch, if there is something to.</summary>
    public void Start()
    {
        lock (_lock)
        {
            if (_watch is null && !_disposed && service is { } own && source is not null)
            {
                _watch = watches.Start<ServiceSnapshot>(
                    "callers", own.Value, (index, token) => source.ReadInstancesAsync(own, index, token), TakeIn);
            }
        }
    }

    /// <summary>This process's place among the copies, and how many there are; null while it is not known.</summary>
    /// <param name="zone">Only the copies in this zone; null: all.</param>
    public (int Rank, int Count)? Place(string? zone = null)
    {
        lock (_lock)
        {
            var ids = _copies.Where(copy => zone is null || copy.Zone == zone)
                .Select(copy => copy.Id).OrderBy(id => id.Value, StringComparer.Ordinal).ToList();
            var rank = _self is { } self ? ids.IndexOf(self) : -1;
            return rank < 0 ? null : (rank, ids.Count);
        }
    }

    /// <summary>Which share of the copies each of these zones has; empty while none are known.</summary>
    public double[] SharesOf(IReadOnlyList<string> zones)
    {
        lock (_lock)
        {
            return _copies.Count == 0
                ? []
                : [.. zones.Select(zone => (double)_copies.Count(copy => copy.Zone == zone) / _copies.Count)];
        }
    }

    /// <summary>The same without waiting for a read in progress to end, for containers that are disposed synchronously.</summary>
    public void Dispose() => _ = DisposeAsync().AsTask();

    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _disposed = true;
        }

        return _watch?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    private void TakeIn(ServiceSnapshot snapshot)
    {
        lock (_lock)
        {
            _copies = [.. snapshot.Instances.Where(instance => instance.Health != InstanceHealth.Critical)];
        }

        Changed?.Invoke();
    }
}
