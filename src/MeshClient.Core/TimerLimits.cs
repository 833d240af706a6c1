namespace MeshClient.Core;

/// <summary>What the system's timers can do.</summary>
internal static class TimerLimits
{
    /// <summary>
    /// The longest time a timer is set for. They take 2^32 - 2 milliseconds, some 49 days
    /// (<see cref="TimeProvider.CreateTimer"/>), and nobody waits as long.
    /// </summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(40);
}
