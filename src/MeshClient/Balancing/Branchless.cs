using System.Runtime.CompilerServices;

namespace MeshClient.Balancing;

/// <summary>
/// Chooses where chance decides: no processor foresees that, and to have foreseen it wrongly costs it more than a pick's own work.
/// Written out, because the just-in-time compiler makes a branch of a condition wherever it stands in a loop.
/// </summary>
internal static class Branchless
{
    /// <summary>The first when the number is 0 or more, the second when it is negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Choose(int first, int second, long number) => first ^ ((first ^ second) & (int)(number >> 63));
}
