namespace MeshClient;

/// <summary>
/// The one source of chance in the mesh: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// OOPSLA 2014) over a shared counter. Safe to use from all threads without a lock; the same seed gives the same sequence to
/// a single thread, which is what tests need. Not for secrets.
/// </summary>
internal sealed class MeshRandom
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;
    private ulong _state;

    /// <summary>Makes a source.</summary>
    /// <param name="seed">Any number; the same one gives the same sequence.</param>
    public MeshRandom(ulong seed) => _state = seed;

    /// <summary>64 random bits.</summary>
    public ulong NextBits() => Mix(Interlocked.Add(ref _state, Gamma));

    /// <summary>What <see cref="NextBits"/> will return.</summary>
    /// <param name="ahead">1 for what it returns next; 2 for what it returns after that.</param>
    public ulong ForeseeBits(int ahead) => Mix(Volatile.Read(ref _state) + ((ulong)ahead * Gamma));

    /// <summary>A number from 0 (inclusive) to 1 (exclusive).</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A number from 0 (inclusive) to the bound (exclusive).</summary>
    /// <param name="bound">1 or more.</param>
    public int Next(int bound) => Scale((uint)NextBits(), bound);

    // Multiply-shift instead of a remainder (Lemire, "Fast random integer generation in an interval", 2019): the bias is below
    // bound / 2^32, nothing for a list of instances.
    public static int Scale(uint bits, int bound) => (int)(((ulong)bits * (uint)bound) >> 32);

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
