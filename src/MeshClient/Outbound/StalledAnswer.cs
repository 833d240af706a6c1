namespace MeshClient.Outbound;

/// <summary>
/// Finds out whether an instance hangs after the head of its answer: the deadline ended the reading, not one byte had come, and the
/// reader had waited for it as long as an attempt may take to answer at all.
/// </summary>
/// <remarks>
/// Envoy's per-try timeout covers the whole answer; here time limits end with the head, so that streams are not cut off. Without
/// this an instance that sends heads and nothing more would never be left out. Nothing is known against it where it may be quiet in
/// order: what is a stream by its type, and what answers a request that was still being sent. A reader that comes late, or has
/// got something, has waited for less.
/// </remarks>
internal static class StalledAnswer
{
    // Bodies that may begin long after their head: server-sent events, lines or sequences of JSON, a watch (Kubernetes:
    // application/json;stream=watch), parts that replace each other.
    private static readonly string[] Streams = ["stream", "ndjson", "jsonl", "json-seq", "multipart/"];

    /// <summary>What is held against the instance; null: nothing.</summary>
    /// <param name="attempt">The attempt, of whose answer nothing has been read.</param>
    /// <param name="content">The answer's content.</param>
    /// <param name="failure">What reading it failed with.</param>
    /// <param name="time">The clock.</param>
    public static TimeoutException? Of(OutboundAttempt attempt, HttpContent content, Exception failure, TimeProvider time)
    {
        // An upload that was still under way has no latency.
        if (failure is not OperationCanceledException || attempt is not { WaitingSince: > 0 and var since, Latency: not null })
        {
            return null;
        }

        var now = time.GetTimestamp();
        var call = attempt.Call;
        var limit = call.Destination.Service.Settings.AttemptTimeout;
        // A timer may fire a moment early. What else cancels it is the app, that is still sending.
        var hasPassed = now >= call.AmbientDeadlineAt
            || (attempt.Timer is { IsCancellationRequested: true } && !call.Cancellation.IsCancellationRequested);
        return hasPassed && limit > TimeSpan.Zero && time.GetElapsedTime(since, now) >= limit && !MayBeQuiet(content)
            ? new TimeoutException($"Nothing but the head of the answer came within {limit} (AttemptTimeout).", failure)
            : null;
    }

    private static bool MayBeQuiet(HttpContent content)
    {
        if (!content.Headers.NonValidated.TryGetValues("Content-Type", out var values))
        {
            return false;
        }

        var type = values.ToString();
        return GrpcContentType.IsOfAnyForm(type)
            || (!type.StartsWith("application/octet-stream", StringComparison.OrdinalIgnoreCase)
                && Array.Exists(Streams, stream => type.Contains(stream, StringComparison.OrdinalIgnoreCase)));
    }
}
