namespace MeshClient.Resilience;

/// <summary>
/// The moment until which an answer is of use, carried along with the asynchronous flow: calls made inside
/// <see cref="Begin"/>, until its result is disposed, never last beyond it.
/// </summary>
/// <remarks>
/// What a request leaves running when it has ended, such as a loop it was the first to start, goes on without its deadline: that
/// would have passed for good, and nobody waits for its answer any more.
/// </remarks>
public sealed class MeshDeadline : IDisposable
{
    /// <summary>
    /// <c>mesh-timeout-ms</c>: the header by which a call tells the next service how many milliseconds are left; a call of gRPC
    /// uses <c>grpc-timeout</c>.
    /// </summary>
    public const string HeaderName = "mesh-timeout-ms";

    private static readonly AsyncLocal<MeshDeadline?> Ambient = new();

    private readonly MeshDeadline? _outer;
    private readonly TimeProvider _time;
    private volatile bool _isOver;

    private MeshDeadline(long expiresAt, TimeProvider time, MeshDeadline? outer)
    {
        ExpiresAt = expiresAt;
        _time = time;
        _outer = outer;
    }

    /// <summary>The deadline in force here; null when there is none.</summary>
    public static MeshDeadline? Current
    {
        get
        {
            var current = Ambient.Value;
            while (current is { _isOver: true })
            {
                current = current._outer;
            }

            return current;
        }
    }

    /// <summary>What is left; zero when it has passed.</summary>
    public TimeSpan Remaining
    {
        get
        {
            var left = _time.GetElapsedTime(_time.GetTimestamp(), ExpiresAt);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>The timestamp at which it passes.</summary>
    internal long ExpiresAt { get; }

    /// <summary>
    /// Begins a deadline. One that would end after the deadline already in force ends with that. Dispose the result to go back.
    /// </summary>
    /// <param name="timeout">From now; zero or less has passed already.</param>
    /// <param name="time">The clock; null: the system's. Has to be the one MeshClient uses.</param>
    public static MeshDeadline Begin(TimeSpan timeout, TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        var outer = Current;
        var now = time.GetTimestamp();
        // What has passed has passed just now: from a moment much longer ago nothing could be reckoned.
        var ticks = Math.Max(0, timeout.TotalSeconds) * time.TimestampFrequency;
        var at = ticks < long.MaxValue - now ? now + (long)ticks : long.MaxValue;
        var deadline = new MeshDeadline(Math.Min(at, outer?.ExpiresAt ?? long.MaxValue), time, outer);
        Ambient.Value = deadline;
        return deadline;
    }

    /// <summary>Ends the deadline, for the code that began it and for all that has come of it. A call that is being made keeps to it.</summary>
    public void Dispose()
    {
        _isOver = true;
        Ambient.Value = _outer;
    }
}
