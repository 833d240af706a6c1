using System.Collections.Concurrent;

namespace MeshClient.Telemetry;

/// <summary>
/// Lets one log line of a kind pass every ten seconds and counts the others, so that a caller that keeps knocking cannot
/// fill a disk. Kinds have to come from a bounded set, never from what a caller sent.
/// </summary>
internal sealed class LogLimiter<TKind>(TimeProvider time)
    where TKind : notnull
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<TKind, Entry> _entries = new();

    /// <summary>Asks whether to log now.</summary>
    /// <param name="kind">What would be logged.</param>
    /// <param name="suppressed">How many of its kind were not logged since the last one that was.</param>
    public bool TryEnter(TKind kind, out int suppressed)
    {
        var entry = _entries.GetOrAdd(kind, static _ => new Entry());
        lock (entry)
        {
            if (entry.Logged is { } last && time.GetElapsedTime(last) < Interval)
            {
                entry.Suppressed++;
                suppressed = 0;
                return false;
            }

            suppressed = entry.Suppressed;
            entry.Suppressed = 0;
            entry.Logged = time.GetTimestamp();
            return true;
        }
    }

    private sealed class Entry
    {
        public long? Logged { get; set; }

        public int Suppressed { get; set; }
    }
}
