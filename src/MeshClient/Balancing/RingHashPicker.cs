using System.Globalization;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Consistent hashing on a ring (Karger et al., STOC 1997) as Envoy and gRPC A42 build it: an instance has points on the ring in
/// proportion to its weight, each at the XXH64 of <c>host:port_i</c>; a key belongs to the first point at or after its own hash. An
/// instance that comes or goes moves only the keys of its own points, about 1/n of all.
/// </summary>
/// <remarks>
/// A unit of weight has the same number of points whoever else is in the list, as libketama's servers have while all are equal. So
/// the points of those that stay are the same before and after. In Envoy and gRPC the ring has a least size instead, and weights
/// are relative to the sum, so that an instance that comes or goes changes the number of points of all others, and moves keys
/// between instances that stay. Only where all would have more than <see cref="MaxRingSize"/> points, the number for a unit is
/// halved until they fit: it depends on the list by the sum of the weights alone, and in steps far apart. At such a step every
/// second point goes or comes, and with it up to half of the keys.
/// How evenly keys are shared grows with the points: with p points each, the shares vary by about 1/sqrt(p).
/// </remarks>
internal sealed class RingHashPicker : HashPicker
{
    /// <summary>The number of points beyond which a unit of weight gets fewer: 12 bytes each, 12 MB.</summary>
    public const int MaxRingSize = 1 << 20;

    private readonly ulong[] _points;
    private readonly int[] _owners;

    /// <param name="instances">Those that may be called.</param>
    /// <param name="weights">Their weights, greater than 0.</param>
    /// <param name="key">What of a call decides.</param>
    /// <param name="bound">How many calls an instance may have; null: any number.</param>
    /// <param name="pointsEach">How many points an instance of weight 1 has.</param>
    /// <param name="maxRingSize">How many points all have at most, but for the one that every instance has.</param>
    public RingHashPicker(
        InstanceState[] instances,
        ReadOnlySpan<double> weights,
        HashKey key,
        LoadBound? bound,
        int pointsEach,
        int maxRingSize = MaxRingSize)
        : base(instances, key, bound)
    {
        var counts = Counts(weights, pointsEach, maxRingSize);
        var size = counts.Sum();
        _points = new ulong[size];
        _owners = new int[size];
        var at = 0;
        for (var i = 0; i < instances.Length; i++)
        {
            var text = $"{NameOf(instances[i])}_{counts[i]}".ToCharArray();
            var prefix = Array.LastIndexOf(text, '_') + 1;
            for (var point = 0; point < counts[i]; point++, at++)
            {
                point.TryFormat(text.AsSpan(prefix), out var digits, provider: CultureInfo.InvariantCulture);
                _points[at] = XxHash64.Hash(text.AsSpan(0, prefix + digits));
                _owners[at] = i;
            }
        }

        Array.Sort(_points, _owners);
    }

    // Halved, and not cut to what just fits, which would be another number for every list.
    private static int[] Counts(ReadOnlySpan<double> weights, double perWeight, int maxRingSize)
    {
        double sum = 0;
        foreach (var weight in weights)
        {
            sum += weight;
        }

        while (perWeight * sum > maxRingSize)
        {
            perWeight /= 2;
        }

        var counts = new int[weights.Length];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = (int)Math.Max(1, Math.Round(perWeight * weights[i]));
        }

        return counts;
    }

    protected override int Find(ulong hash)
    {
        var at = Array.BinarySearch(_points, hash);
        return at >= 0 ? at : ~at;
    }

    // Along the ring, past points of the same owner in a row.
    protected override int At(int place, ulong hash, int probe) => _owners[(place + probe) % _owners.Length];
}
