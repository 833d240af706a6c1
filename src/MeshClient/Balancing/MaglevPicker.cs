using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4): each
/// instance has an order of preference over the places of a table of prime size, and they take turns in claiming the best place
/// still free; a key belongs to the owner of the place it falls on. The shares are nearly the same; an instance that comes or goes
/// moves its own keys and a few percent of the others.
/// </summary>
/// <remarks>
/// With weights, an instance claims a place in a round only while it has less than its share of what has been dealt (Envoy,
/// maglev_lb, target weight). The second choice of a key is another place of the table, drawn from the key itself (arXiv 1908.08762).
/// </remarks>
internal sealed class MaglevPicker : HashPicker
{
    /// <summary>The paper's table size; a prime above a hundred times the instances one caller is likely to know.</summary>
    public const int TableSize = 65_537;

    private readonly int[] _table;

    public MaglevPicker(InstanceState[] instances, ReadOnlySpan<double> weights, HashKey key, LoadBound? bound)
        : base(instances, key, bound) => _table = instances.Length == 0 ? [] : Fill(instances, weights);

    protected override int Find(ulong hash) => (int)(hash % TableSize);

    protected override int At(int place, ulong hash, int probe) =>
        _table[probe == 0 ? place : (int)(XxHash64.Mix(hash + (ulong)probe) % TableSize)];

    private static int[] Fill(InstanceState[] instances, ReadOnlySpan<double> weights)
    {
        var next = new ulong[instances.Length];
        var skip = new ulong[instances.Length];
        var dealt = new double[instances.Length];
        double greatest = 0;
        for (var i = 0; i < instances.Length; i++)
        {
            var name = NameOf(instances[i]);
            next[i] = XxHash64.Hash(name) % TableSize;
            skip[i] = (XxHash64.Hash(name, seed: 1) % (TableSize - 1)) + 1;
            greatest = Math.Max(greatest, weights[i]);
        }

        // In the order of their addresses, or callers that know them in another order would make another table.
        var order = Enumerable.Range(0, instances.Length).OrderBy(i => NameOf(instances[i]), StringComparer.Ordinal).ToArray();
        var table = new int[TableSize];
        Array.Fill(table, -1);
        var free = TableSize;
        for (var round = 1; free > 0; round++)
        {
            foreach (var i in order)
            {
                if (free == 0)
                {
                    break;
                }

                var share = weights[i] / greatest;
                if (round * share < dealt[i])
                {
                    continue;
                }

                dealt[i]++;
                while (table[next[i]] >= 0)
                {
                    next[i] = (next[i] + skip[i]) % TableSize;
                }

                table[next[i]] = i;
                free--;
            }
        }

        return table;
    }
}
