using System.Numerics;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Consistent hashing on a ring (Karger et al., STOC 1997) as Envoy and gRPC A42 build it: an instance has points on the ring in
/// proportion to its weight, each at the XXH64 of <c>host:port_i</c>; a key belongs to the first point at or after its own hash. An
/// instance that comes or goes moves only the keys of its own points, about 1/n of all.
/// </summary>
/// <remarks>
/// The lightest instance gets <c>minRingSize</c> times its share of all weights, rounded up to a power of two: so the number does not
/// change with each instance that comes or goes, which in Envoy's exact proportion moves keys between instances that stay. The
/// others get as many times more as their weights are. The whole is bounded by <see cref="MaxRingSize"/>.
/// How evenly keys are shared grows with the points: with p points each, the shares vary by about 1/sqrt(p).
/// </remarks>
internal sealed class RingHashPicker : HashPicker
{
    /// <summary>The greatest number of points: 12 bytes each, 12 MB.</summary>
    public const int MaxRingSize = 1 << 20;

    private readonly ulong[] _points;
    private readonly int[] _owners;

    public RingHashPicker(InstanceState[] instances, ReadOnlySpan<double> weights, HashKey key, LoadBound? bound, int minRingSize)
        : base(instances, key, bound)
    {
        double sum = 0;
        var least = double.MaxValue;
        foreach (var weight in weights)
        {
            sum += weight;
            least = Math.Min(least, weight);
        }

        var perLeast = instances.Length == 0 ? 0 : BitOperations.RoundUpToPowerOf2((uint)Math.Ceiling(least / sum * minRingSize));
        while (perLeast > 1 && perLeast / least * sum > MaxRingSize)
        {
            perLeast /= 2;
        }

        var points = new List<(ulong Hash, int Owner)>();
        for (var i = 0; i < instances.Length; i++)
        {
            var name = NameOf(instances[i]);
            var count = Math.Min(Math.Round(perLeast * weights[i] / least), Math.Max(1, MaxRingSize * weights[i] / sum));
            for (var point = 0; point < count; point++)
            {
                points.Add((XxHash64.Hash($"{name}_{point}"), i));
            }
        }

        points.Sort();
        _points = [.. points.Select(point => point.Hash)];
        _owners = [.. points.Select(point => point.Owner)];
    }

    protected override int Find(ulong hash)
    {
        var at = Array.BinarySearch(_points, hash);
        return at >= 0 ? at : ~at;
    }

    // Along the ring, past points of the same owner in a row.
    protected override int At(int place, ulong hash, int probe) => _owners[(place + probe) % _owners.Length];
}
