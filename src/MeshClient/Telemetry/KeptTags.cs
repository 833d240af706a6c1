using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using MeshClient.Outbound;

namespace MeshClient.Telemetry;

/// <summary>Puts the tags of a figure together.</summary>
internal delegate TagList TagsOf<in T>(T of, string method, in Outcome outcome);

/// <summary>
/// The tags of figures of what went well, kept for the next time: nearly all have the same, and to put them together costs as much as
/// to record them. The first that come are kept for good.
/// </summary>
/// <param name="most">How many are kept. Others are put together each time.</param>
internal sealed class KeptTags(int most)
{
    private Entry[] _entries = [];

    /// <summary>Records a duration under tags that are kept, or put together and then kept.</summary>
    /// <param name="duration">Where to.</param>
    /// <param name="seconds">The duration.</param>
    /// <param name="method">The method the tags name; empty: none.</param>
    /// <param name="outcome">What came of it.</param>
    /// <param name="isGood">Whether it went well at once, as nearly all do, and its outcome is good (<see cref="Outcome.IsGood"/>). Others are not kept.</param>
    /// <param name="of">What is recorded.</param>
    /// <param name="tags">Puts the tags together.</param>
    public void Record<T>(
        Histogram<double> duration, double seconds, string method, in Outcome outcome, bool isGood, T of, TagsOf<T> tags)
    {
        var entries = Volatile.Read(ref _entries);
        if (isGood && Find(entries, method, outcome) is { } found)
        {
            duration.Record(seconds, found);
        }
        else
        {
            RecordOther(entries, duration, seconds, method, outcome, isGood, of, tags);
        }
    }

    private static KeyValuePair<string, object?>[]? Find(Entry[] entries, string method, in Outcome outcome)
    {
        foreach (var entry in entries)
        {
            if (entry.IsFor(method, outcome))
            {
                return entry.Tags;
            }
        }

        return null;
    }

    // Apart, since a list of tags takes room on the stack that would be cleared for those that are kept as well.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void RecordOther<T>(
        Entry[] entries, Histogram<double> duration, double seconds, string method, in Outcome outcome, bool isGood, T of, TagsOf<T> tags)
    {
        var together = tags(of, method, outcome);
        duration.Record(seconds, together);
        if (isGood && entries.Length < most)
        {
            // Where others came first, these are kept the next time.
            Interlocked.CompareExchange(
                ref _entries, [.. entries, new Entry(method, outcome.Status, outcome.GrpcStatus, [.. together])], entries);
        }
    }

    private sealed class Entry(string method, int status, GrpcStatus? grpcStatus, KeyValuePair<string, object?>[] tags)
    {
        public KeyValuePair<string, object?>[] Tags => tags;

        public bool IsFor(string name, in Outcome outcome) =>
            status == outcome.Status && grpcStatus == outcome.GrpcStatus && method == name;
    }
}
