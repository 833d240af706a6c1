using System.Globalization;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Consistent hashing on a ring (Karger et al., STOC 1997) as Envoy and gRPC A42 build it: an instance has points on the ring in
/// proportion to its weight, each at the XXH64 of <c>host:port_i</c>; a key belongs to the first point at or after its own hash. An
/// instance that comes or goes moves only the keys of its own points, about 1/n of all.
/// </summary>
/// <remarks>
/// An instance of the greatest weight has the same number of points however many instances there are, as libketama's have; lighter
/// ones have fewer. In Envoy and gRPC the ring has a least size instead, so that an instance that comes or goes changes the
/// number of points of all others, and moves keys between instances that stay. Only beyond <see cref="MaxRingSize"/> the number is
/// halved, until all have room.
/// How evenly keys are shared grows with the points: with p points each, the shares vary by about 1/sqrt(p).
/// </remarks>
internal sealed class RingHashPicker : HashPicker
{
    /// <summary>The number of points beyond which instances get fewer: 12 bytes each, 12 MB.</summary>
    public const int MaxRingSize = 1 << 20;

    private readonly ulong[] _points;
    private readonly int[] _owners;

    /// <param name="instances">Those that may be called.</param>
    /// <param name="weights">Their weights, greater than 0.</param>
    /// <param name="key">What of a call decides.</param>
    /// <param name="bound">How many calls an instance may have; null: any number.</param>
    /// <param name="pointsEach">How many points an instance of the greatest weight has.</param>
    public RingHashPicker(InstanceState[] instances, ReadOnlySpan<double> weights, HashKey key, LoadBound? bound, int pointsEach)
        : base(instances, key, bound)
    {
        double sum = 0;
        double greatest = 0;
        foreach (var weight in weights)
        {
            sum += weight;
            greatest = Math.Max(greatest, weight);
        }

        double most = pointsEach;
        while (most > 1 && most * sum / greatest > MaxRingSize)
        {
            most /= 2;
        }

        var points = new List<ulong>();
        var owners = new List<int>();
        for (var i = 0; i < instances.Length; i++)
        {
            var count = Math.Max(1, Math.Round(most * weights[i] / greatest));
            var text = $"{NameOf(instances[i])}_{count}".ToCharArray();
            var prefix = Array.LastIndexOf(text, '_') + 1;
            for (var point = 0; point < count; point++)
            {
                point.TryFormat(text.AsSpan(prefix), out var digits, provider: CultureInfo.InvariantCulture);
                points.Add(XxHash64.Hash(text.AsSpan(0, prefix + digits)));
                owners.Add(i);
            }
        }

        _points = [.. points];
        _owners = [.. owners];
        Array.Sort(_points, _owners);
    }

    protected override int Find(ulong hash)
    {
        var at = Array.BinarySearch(_points, hash);
        return at >= 0 ? at : ~at;
    }

    // Along the ring, past points of the same owner in a row.
    protected override int At(int place, ulong hash, int probe) => _owners[(place + probe) % _owners.Length];
}
