namespace MeshClient.Server;

/// <summary>A moment by a clock that nobody sets, for comparing within this process only.</summary>
/// <param name="Timestamp">The clock's timestamp.</param>
/// <param name="Frequency">How many of them make a second.</param>
internal readonly record struct Moment(long Timestamp, long Frequency)
{
    public static Moment Now(TimeProvider time) => new(time.GetTimestamp(), time.TimestampFrequency);

    /// <summary>The timestamp some time later; the last there is for a span that goes beyond.</summary>
    public long After(TimeSpan span) =>
        (long)(span.TotalSeconds * Frequency) is var length && length > long.MaxValue - Timestamp ? long.MaxValue : Timestamp + length;
}
