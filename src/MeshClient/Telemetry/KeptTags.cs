using System.Diagnostics;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>
/// The tags of figures of what went well, kept for the next time: nearly all have the same, and to put them together costs as much as
/// to record them. The first that come are kept for good.
/// </summary>
/// <param name="most">How many are kept. Others are put together each time.</param>
internal sealed class KeptTags(int most)
{
    private Entry[] _entries = [];

    /// <summary>Finds some.</summary>
    /// <param name="method">The method they name; empty: none.</param>
    /// <param name="outcome">What came of it; it has to be good (<see cref="Outcome.IsGood"/>).</param>
    /// <returns>The tags; empty: they are not kept.</returns>
    public ReadOnlySpan<KeyValuePair<string, object?>> Find(string method, in Outcome outcome)
    {
        foreach (var entry in Volatile.Read(ref _entries))
        {
            if (entry.IsFor(method, outcome))
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
        foreach (var entry in entries)
        {
            if (entry.IsFor(method, outcome))
            {
                return;
            }
        }

        if (entries.Length < most)
        {
            // Where others came first, these are kept the next time.
            Interlocked.CompareExchange(
                ref _entries, [.. entries, new Entry(method, outcome.Status, outcome.GrpcStatus, [.. tags])], entries);
        }
    }

    private sealed class Entry(string method, int status, GrpcStatus? grpcStatus, KeyValuePair<string, object?>[] tags)
    {
        public KeyValuePair<string, object?>[] Tags => tags;

        public bool IsFor(string name, in Outcome outcome) =>
            status == outcome.Status && grpcStatus == outcome.GrpcStatus && method == name;
    }
}
