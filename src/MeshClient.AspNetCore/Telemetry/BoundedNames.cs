using System.Collections.Concurrent;

namespace MeshClient.AspNetCore.Telemetry;

/// <summary>
/// Lets a bounded number of different names through, for tags and for what is kept by name; all that come later are called
/// by one name. Callers and rules come and go while a process runs, and each would leave a series behind.
/// </summary>
/// <param name="most">How many.</param>
/// <param name="other">What the names beyond the bound are called.</param>
internal sealed class BoundedNames(int most = BoundedNames.MaxNames, string other = BoundedNames.Other)
{
    /// <summary>What names beyond a bound are called unless something better is known.</summary>
    public const string Other = "(other)";

    // OpenTelemetry's SDK stops at 2 000 combinations of an instrument's tags by itself; few meshes have as many services.
    private const int MaxNames = 1000;

    private readonly ConcurrentDictionary<string, byte> _names = new(StringComparer.Ordinal);
    private int _count;

    public string Of(string name)
    {
        if (_names.ContainsKey(name))
        {
            return name;
        }

        if (Volatile.Read(ref _count) >= most)
        {
            return other;
        }

        // A few more may get in at the same moment, which does no harm.
        if (_names.TryAdd(name, 0))
        {
            Interlocked.Increment(ref _count);
        }

        return name;
    }
}
