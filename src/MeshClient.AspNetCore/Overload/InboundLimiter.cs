namespace MeshClient.AspNetCore.Overload;

/// <summary>
/// Counts the requests being served, up to a limit that may change at any time and with shares of it that are kept free for
/// whoever they belong to.
/// </summary>
/// <remarks>
/// Netflix concurrency-limits, AbstractPartitionedLimiter: a request is refused only when the limit is reached and its own share
/// is as well. So no room is left unused, and no caller can push another out of its share: where one has taken more than its
/// own, those below theirs are served beyond the limit until it has given the excess back. In flight are therefore at most
/// the limit and all shares together. One interlocked operation where there are no shares, two where there are.
/// </remarks>
internal sealed class InboundLimiter(int limit)
{
    private int _inFlight;
    private volatile int _limit = limit;

    public int InFlight => Volatile.Read(ref _inFlight);

    public int Limit
    {
        get => _limit;
        set => _limit = value;
    }

    /// <summary>Counts a request in, if there is room.</summary>
    /// <param name="share">The share it belongs to; null where there are no shares.</param>
    public bool TryEnter(Share? share)
    {
        var ofShare = share?.Enter();
        var limit = _limit;
        if (Interlocked.Increment(ref _inFlight) <= limit || ofShare <= share?.Of(limit))
        {
            return true;
        }

        Leave(share);
        return false;
    }

    /// <summary>Counts a request out.</summary>
    /// <returns>How many were being served, it included.</returns>
    public int Leave(Share? share)
    {
        share?.Leave();
        return Interlocked.Decrement(ref _inFlight) + 1;
    }
}
