using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace MeshClient;

/// <summary>Asks the processor for memory that will soon be looked at. Does nothing where it cannot.</summary>
internal static class Prefetch
{
    private const int Line = 64;

    /// <summary>Asks for the beginning of an object.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Of(object target)
    {
        if (Sse.IsSupported)
        {
            // The object may be moved meanwhile, and then this was in vain.
            var address = *(byte**)Unsafe.AsPointer(ref target);
            Sse.Prefetch0(address);
            Sse.Prefetch0(address + Line - 1);
        }
    }
}
