namespace MeshClient.Server;

/// <summary>A moment some time from now, by a clock that nobody sets: a corrected wall clock neither hastens nor delays it.</summary>
internal readonly struct Deadline(TimeProvider time, TimeSpan after)
{
    private readonly long _start = time.GetTimestamp();

    /// <summary>How long it is until then; zero or less when it is past.</summary>
    public TimeSpan Left => after - time.GetElapsedTime(_start);
}
