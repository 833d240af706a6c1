using System.Diagnostics;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>
/// The tags of figures of what went well, kept for the next time: nearly all have the same, and to put them together costs as much as
/// to record them.
/// </summary>
internal sealed class KeptTags
{
    /// <summary>How many are kept. A few methods and statuses make up nearly all calls; for others they are put together each time.</summary>
    public const int Most = 4;

    private Entry[] _entries = [];

    /// <summary>Finds some.</summary>
    /// <param name="method">The method they name; empty: none.</param>
    /// <param name="outcome">What came of it; it has to be good (<see cref="Outcome.IsGood"/>).</param>
    /// <returns>The tags; empty: they are not kept.</returns>
    public ReadOnlySpan<KeyValuePair<string, object?>> Find(string method, in Outcome outcome)
    {
        foreach (var entry in Volatile.Read(ref _entries))
        {
            if (entry.Status == outcome.Status && entry.GrpcStatus == outcome.GrpcStatus && entry.Method == method)
            {
                return entry.Tags;
            }
        }

        return [];
    }

    /// <summary>Keeps some that were not found.</summary>
    public void Keep(string method, in Outcome outcome, in TagList tags)
    {
        var entries = Volatile.Read(ref _entries);
        if (entries.Length < Most)
        {
            // Where another came first, these come again.
            Interlocked.CompareExchange(
                ref _entries, [.. entries, new Entry(method, outcome.Status, outcome.GrpcStatus, [.. tags])], entries);
        }
    }

    private sealed record Entry(string Method, int Status, GrpcStatus? GrpcStatus, KeyValuePair<string, object?>[] Tags);
}
