namespace MeshClient.TestSupport;

/// <summary>The system's clock and timers, but no time passes for what measures it.</summary>
internal sealed class StillClock : TimeProvider
{
    private static readonly long Now = System.GetTimestamp();

    public override long GetTimestamp() => Now;
}
