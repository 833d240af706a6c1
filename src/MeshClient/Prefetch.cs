using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace MeshClient;

/// <summary>Asks the processor for memory that will soon be looked at. Does nothing where it cannot.</summary>
internal static class Prefetch
{
    // As much of an object as a call needs at once. A little more than a line, so in two of them wherever it begins.
    private const int Reach = 72;

    /// <summary>Whether it does anything here.</summary>
    public static bool IsSupported => Sse.IsSupported;

    /// <summary>Asks for a place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void At<T>(ref T place)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(Unsafe.AsPointer(ref place));
        }
    }

    /// <summary>Asks for the beginning of an object; of null, for nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Of(object? target)
    {
        if (Sse.IsSupported)
        {
            // A prefetch of no address does nothing; and the object may be moved meanwhile, and then this was in vain.
            var address = *(byte**)Unsafe.AsPointer(ref target);
            Sse.Prefetch0(address);
            Sse.Prefetch0(address + Reach - 1);
        }
    }
}
