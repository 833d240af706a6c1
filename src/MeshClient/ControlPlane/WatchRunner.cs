using System.Collections.Concurrent;
using MeshClient.Core.ControlPlane;
using Microsoft.Extensions.Logging;

namespace MeshClient.ControlPlane;

/// <summary>Starts every watch of the process and knows those that run, so that their ages can be measured.</summary>
internal sealed class WatchRunner(TimeProvider time, MeshRandom random, ILogger<WatchRunner> logger)
{
    private readonly ConcurrentDictionary<IWatch, byte> _running = new();

    /// <summary>The watches that run now.</summary>
    public IEnumerable<IWatch> Running => _running.Keys;

    /// <summary>Starts a watch. Dispose it when its value is no longer wanted.</summary>
    /// <param name="kind">What is watched.</param>
    /// <param name="subject">Whose; may be empty.</param>
    /// <param name="read">One read of the source.</param>
    /// <param name="changed">Called with each new value, before <see cref="Watch{T}.FirstAsync"/> returns it. By throwing it says that it has not taken the
    /// value in: the one before stays in force, and the read counts as failed. The value is not disposed then, since the source may
    /// still hold it, as <see cref="Identity.SigningLeafSource"/> does.</param>
    public Watch<T> Start<T>(
        string kind, string subject, Func<ulong, CancellationToken, Task<Watched<T>>> read, Action<T> changed)
        where T : class
    {
        var watch = new Watch<T>(
            kind, subject, read, changed, ended => _running.TryRemove(ended, out _), time, random, logger);
        _running.TryAdd(watch, 0);
        watch.Start();
        return watch;
    }
}
