using MeshClient.Balancing;
using MeshClient.Transport;

namespace MeshClient.Discovery;

/// <summary>
/// What every call reads and writes of an instance, so that a call to one of thousands fetches it from memory at once: the
/// first bytes of <see cref="InstanceState"/>. Its parts are their owners' to write: balancing, health and transport.
/// </summary>
/// <param name="decay">The time constant of its latency, in timestamp ticks.</param>
internal class InstanceVitals(double decay)
{
    private volatile ConnectionPool? _pool;
    private volatile bool _isOut;
    private volatile bool _isSuspect;
    private int _successes;
    private PeakEwma _load = new(decay);

    /// <summary>Its expected latency and its calls in flight.</summary>
    public ref PeakEwma Load => ref _load;

    /// <summary>Where its connections are; null while it has none.</summary>
    public ConnectionPool? Pool
    {
        get => _pool;
        set => _pool = value;
    }

    /// <summary>Becomes a user of the pool; null: there is none that can be used.</summary>
    public ConnectionPool? TryAcquirePool() => _pool is { } pool && pool.TryAcquire() ? pool : null;

    /// <summary>Whether it is called over mutual TLS.</summary>
    public bool IsInMesh { get; init; }

    /// <summary>Whether its mutual TLS ends at a proxy, which hands on what is inside.</summary>
    public bool IsBehindProxy { get; init; }

    /// <summary>Whether calls over mutual TLS that leave it open go over HTTP/2.</summary>
    public bool PrefersHttp2 { get; init; }

    /// <summary>Whether it is out, for whatever reason, a probe included.</summary>
    public bool IsOut
    {
        get => _isOut;
        set => _isOut = value;
    }

    /// <summary>Whether a success would be news of it: it is out, or its last call failed.</summary>
    public bool IsSuspect
    {
        get => _isSuspect;
        set => _isSuspect = value;
    }

    /// <summary>It is back, and begins anew.</summary>
    /// <param name="slowStart">Holds it back for a while; null: nothing does.</param>
    /// <param name="now">The present timestamp.</param>
    /// <param name="forgets">Whether nothing is known of it any more; otherwise it came back by a failure, which counts.</param>
    public virtual void StartAnew(SlowStart? slowStart, long now, bool forgets = true)
    {
        if (forgets)
        {
            Load.Forget();
        }
    }

    public void CountSuccess() => Interlocked.Increment(ref _successes);

    /// <summary>The successes counted since they were last taken.</summary>
    public int TakeSuccesses() => Interlocked.Exchange(ref _successes, 0);
}
