namespace MeshClient.Consul.Wire;

/// <summary>
/// What the caller of a watch keeps between two reads, packed into the opaque <c>Watched.Index</c>: the index of the query
/// to park, and which query that is.
/// </summary>
/// <remarks>
/// Layout: index in the upper 62 bits, kind in the lower 2; never 0, because an index of 0 is read as 1. Consul's indexes are
/// positions in its Raft log, so 62 bits are never reached; a server that claims more is cut to the greatest, whereupon its
/// parked queries answer at once and the pace of the caller's loop holds.
/// <para>
/// The rules (consul.io, "Blocking queries"): an index that went backwards means the state behind it is another one, and
/// nothing is known about what a query parked on either index would wait for; so the mark then says to begin again without
/// an index. A missing index becomes 1, so that the next query really blocks where the server can.
/// </para>
/// </remarks>
internal readonly record struct WatchMark(ulong Index, int Kind)
{
    private const int KindBits = 2;
    private const ulong KindMask = (1UL << KindBits) - 1;

    /// <summary>The kind of a mark that says: begin again without an index.</summary>
    private const int RestartKind = 0;

    /// <summary>Says: begin again without an index.</summary>
    public static WatchMark Restart => new(1, RestartKind);

    /// <summary>The greatest index a mark can hold.</summary>
    public const ulong GreatestIndex = ulong.MaxValue >> KindBits;

    /// <summary>Whether the read is to be done without an index, at once.</summary>
    public bool IsRestart => Kind == RestartKind || Index == 0;

    /// <summary>The mark after an answer.</summary>
    /// <param name="previous">The index the query was parked with; null for one without.</param>
    /// <param name="answered">The index of the answer.</param>
    /// <param name="kind">The query to park next, 1 to 3.</param>
    public static WatchMark After(ulong? previous, ulong? answered, int kind)
    {
        var index = Math.Clamp(answered ?? 1, 1, GreatestIndex);
        return previous > index ? Restart : new WatchMark(index, kind);
    }

    public static WatchMark FromOpaque(ulong opaque) => new(opaque >> KindBits, (int)(opaque & KindMask));

    public ulong ToOpaque() => (Index << KindBits) | (uint)Kind;
}
