namespace MeshClient.Server.HealthChecks;

/// <summary>
/// Decides whether instances whose beats have stopped are kept: when most stop at once, it is more likely that the network
/// or this server is at fault than that all instances died. After Eureka's self-preservation
/// (github.com/Netflix/eureka/wiki/Understanding-Eureka-Peer-to-Peer-Communication), where less than 85 % of the expected
/// renewals stop all evictions.
/// </summary>
/// <remarks>
/// A check whose time runs out is held back for half its time to live, by when the beats of all instances that stopped at
/// the same moment are missing too, however their beats were spread. If then more than the allowed share of all beaten
/// checks is overdue, all of them are kept as they are until the share is below it again.
/// </remarks>
/// <param name="threshold">The share of checks that has to be beaten, 0 to 1.</param>
internal sealed class SelfPreservation(double threshold)
{
    /// <summary>With fewer missing it is as likely that just these are gone, however few there are in all.</summary>
    private const int MinOverdue = 3;

    /// <summary>The part of its time to live a check is held back for; clients beat at least twice in it.</summary>
    private const double HoldPart = 0.5;

    private static readonly TimeSpan MinHold = TimeSpan.FromSeconds(1);

    /// <summary>How long a check is held back before it is decided on, and between two decisions.</summary>
    public static TimeSpan HoldOf(TimeSpan timeToLive) => timeToLive * HoldPart is var hold && hold > MinHold ? hold : MinHold;

    /// <summary>Whether checks that are overdue are kept.</summary>
    /// <param name="overdue">How many are.</param>
    /// <param name="alive">How many more are not critical and have been beaten in time.</param>
    public bool Keeps(int overdue, int alive) => overdue >= MinOverdue && alive < threshold * (alive + overdue);
}
