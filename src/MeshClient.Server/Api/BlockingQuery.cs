using System.Globalization;
using MeshClient.Server.Api.Json;
using MeshClient.Server.State;

namespace MeshClient.Server.Api;

/// <summary>
/// Reads that can wait for something newer, by Consul's rules: without an index, or with 0, the answer comes at once; with
/// one, when the data's index is above it, and otherwise at the end of the wait, with the same data.
/// </summary>
/// <remarks>
/// One difference, which the rules allow: an index above the data's own comes from another run or another call, and is
/// answered at once; Consul lets it wait while data changes.
/// </remarks>
internal sealed class BlockingQuery(StateStore store, TimeProvider time, Jitter jitter)
{
    /// <summary>The wait when none is asked for (Consul's default).</summary>
    public static readonly TimeSpan DefaultWait = TimeSpan.FromMinutes(5);

    /// <summary>The longest wait (Consul's limit).</summary>
    public static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(10);

    /// <summary>A wait is made longer by up to this part of it, so that clients do not come back together (Consul's rule).</summary>
    private const int JitterPart = 16;

    /// <summary>The index asked for; 0 when none is.</summary>
    public static ulong IndexOf(ApiRequest request) => request.Query("index") switch
    {
        null or "" => 0,
        var text when ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index) => index,
        _ => throw RequestRefusedException.Invalid("Invalid index"),
    };

    /// <summary>The wait asked for, within the limits.</summary>
    public static TimeSpan WaitOf(ApiRequest request)
    {
        var text = request.Query("wait");
        if (string.IsNullOrEmpty(text))
        {
            return DefaultWait;
        }

        if (!GoDuration.TryParse(text, out var duration, out _))
        {
            throw RequestRefusedException.Invalid("Invalid wait time");
        }

        return duration.Nanoseconds <= 0 ? DefaultWait
            : duration.ToTimeSpan() is var wait && wait > MaxWait ? MaxWait
            : wait;
    }

    /// <summary>Reads, and waits when asked to.</summary>
    /// <param name="request">The call.</param>
    /// <param name="topics">What a change of the data touches.</param>
    /// <param name="read">Takes the data and its index out of a state.</param>
    public Task<(T Value, ulong Index)> ReadAsync<T>(
        ApiRequest request, Topic[] topics, Func<ServerState, (T Value, ulong Index)> read)
    {
        var wait = WaitOf(request);
        var asked = IndexOf(request);
        return asked == 0
            ? Task.FromResult(read(store.Current))
            : WaitAsync(request, topics, wait + jitter.PartOf(wait / JitterPart), () => read(store.Current), answer => answer.Index != asked);
    }

    /// <summary>Waits until there is something newer, or the wait is over, or the server stops; then answers with what there is.</summary>
    /// <param name="request">The call.</param>
    /// <param name="topics">What a change of the data touches.</param>
    /// <param name="wait">How long, at most.</param>
    /// <param name="read">Reads what there is.</param>
    /// <param name="isNewer">Whether that is newer than what the caller has.</param>
    public async Task<T> WaitAsync<T>(ApiRequest request, Topic[] topics, TimeSpan wait, Func<T> read, Func<T, bool> isNewer)
    {
        using var watch = store.Watches.Begin(topics);
        var deadline = new Deadline(time, wait);
        while (true)
        {
            var answer = read();
            if (isNewer(answer) || watch.IsClosed)
            {
                return answer;
            }

            switch (await watch.WaitAsync(deadline.Left, time, request.Aborted).ConfigureAwait(false))
            {
                case WatchOutcome.Abandoned:
                    throw new OperationCanceledException(request.Aborted);
                case WatchOutcome.Changed:
                    request.Access.Renew();
                    continue;
                default:
                    request.Access.Renew();
                    return read();
            }
        }
    }
}
