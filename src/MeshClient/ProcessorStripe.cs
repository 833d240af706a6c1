using System.Numerics;

namespace MeshClient;

/// <summary>
/// Tells which of several places the present processor is to use, so that processors do not fight for a cache line. A thread may be
/// moved between asking and using: the places have to be safe for all threads, and differ only in who uses them most.
/// </summary>
internal static class ProcessorStripe
{
    /// <summary>How far apart the places have to be in an array of words: no two in a cache line, nor in a pair of lines fetched together.</summary>
    public const int Words = 128 / sizeof(long);

    /// <summary>How many places there are.</summary>
    public static readonly int Count = (int)BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount);

    /// <summary>The length of an array of words with all places, and none beside the array's own length.</summary>
    public static readonly int ArrayLength = (Count + 1) * Words;

    /// <summary>The present processor's place.</summary>
    public static int Place => Thread.GetCurrentProcessorId() & (Count - 1);

    /// <summary>Where in such an array the present processor's place begins.</summary>
    public static int Current => At(Place);

    /// <summary>Where in such an array a place begins.</summary>
    public static int At(int place) => (place + 1) * Words;
}
