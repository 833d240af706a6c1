using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MeshClient;

/// <summary>
/// The one source of chance in the mesh: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// OOPSLA 2014). Not for secrets. Tells a few things apart, such as an instance from the one that was at its address before; what
/// has to be unique among many is not to rest on it.
/// </summary>
/// <remarks>
/// Made with a seed it is one sequence, for tests and simulations: each thread draws from it without a lock, and two that draw at
/// once may draw the same. Otherwise each thread has a sequence of its own, so that none waits for another's cache line.
/// </remarks>
internal sealed class MeshRandom
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;

    [ThreadStatic]
    private static ulong _ofThread;

    private readonly bool _isPerThread;
    private ulong _state;

    /// <summary>Makes a source that gives a single thread the same sequence each time.</summary>
    /// <param name="seed">Any number; the same one gives the same sequence.</param>
    public MeshRandom(ulong seed) => _state = seed;

    /// <summary>Makes a source with a sequence for each thread, none of which can be told beforehand.</summary>
    public MeshRandom() => _isPerThread = true;

    private ref ulong State
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if (!_isPerThread)
            {
                return ref _state;
            }

            if (_ofThread == 0)
            {
                Begin();
            }

            return ref _ofThread;
        }
    }

    /// <summary>64 random bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong NextBits() => Mix(State += Gamma);

    /// <summary>What <see cref="NextBits"/> will return to this thread.</summary>
    /// <param name="ahead">1 for what it returns next; 2 for what it returns after that.</param>
    public ulong ForeseeBits(int ahead) => Mix(State + ((ulong)ahead * Gamma));

    /// <summary>A number from 0 (inclusive) to 1 (exclusive).</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A number from 0 (inclusive) to the bound (exclusive).</summary>
    /// <param name="bound">1 or more.</param>
    public int Next(int bound) => Scale((uint)NextBits(), bound);

    // Multiply-shift instead of a remainder (Lemire, "Fast random integer generation in an interval", 2019): the bias is below
    // bound / 2^32, nothing for a list of instances.
    public static int Scale(uint bits, int bound) => (int)(((ulong)bits * (uint)bound) >> 32);

    // At a place of the one sequence there is that is as random as its numbers, so far from those of other threads.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Begin() => RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(new Span<ulong>(ref _ofThread)));

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
