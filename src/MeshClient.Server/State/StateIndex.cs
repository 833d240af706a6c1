namespace MeshClient.Server.State;

/// <summary>
/// Where the indexes of a run begin. Clients keep the index of their last answer across a restart of the server, so a new
/// run has to begin above all earlier ones even when nothing was stored: Unix milliseconds in the high bits leave 4096
/// writes per millisecond, more than one process can do, and stay below 2^53, which JavaScript clients can read, until 2039.
/// </summary>
internal static class StateIndex
{
    private const int WriteBits = 12;

    public static ulong First(DateTimeOffset now, ulong lastKnown)
    {
        var fromClock = (ulong)Math.Max(1, now.ToUnixTimeMilliseconds()) << WriteBits;
        return Math.Max(fromClock, lastKnown + 1);
    }
}
