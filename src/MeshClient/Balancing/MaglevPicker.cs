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
        for (var i = 0; i < instances.Length; i++)
        {
            var name = NameOf(instances[i]);
            next[i] = XxHash64.Hash(name) % TableSize;
            skip[i] = (XxHash64.Hash(name, seed: 1) % (TableSize - 1)) + 1;
        }

        var table = new int[TableSize];
        Array.Fill(table, -1);
        var free = TableSize;
        foreach (var i in Turns(instances, weights.ToArray()))
        {
            while (table[next[i]] >= 0)
            {
                next[i] = (next[i] + skip[i]) % TableSize;
            }

            table[next[i]] = i;
            if (--free == 0)
            {
                break;
            }
        }

        return table;
    }

    // Whose turn it is to claim a place: one after the other, for ever. With weights whoever is due first, and not everybody looked
    // at in each round: where one has thousands of times the weight of others, these have their turn in one of thousands of rounds.
    private static IEnumerable<int> Turns(InstanceState[] instances, double[] weights)
    {
        // In the order of their addresses, or callers that know them in another order would make another table.
        var order = Enumerable.Range(0, instances.Length).OrderBy(i => NameOf(instances[i]), StringComparer.Ordinal).ToArray();
        if (!AliasTable.AreUnequal(weights))
        {
            while (true)
            {
                foreach (var i in order)
                {
                    yield return i;
                }
            }
        }

        var greatest = weights.Max();
        var dealt = new int[order.Length];
        var due = new PriorityQueue<int, (long Round, int Place)>(order.Length);
        for (var place = 0; place < order.Length; place++)
        {
            due.Enqueue(place, (1, place));
        }

        while (due.TryPeek(out var place, out var at))
        {
            yield return order[place];
            due.DequeueEnqueue(place, (RoundOf(++dealt[place], weights[order[place]] / greatest, at.Round), place));
        }
    }

    // The first round after the last in which an instance has no more than its share of a place in each.
    private static long RoundOf(int dealt, double share, long last) => Math.Max(last + 1, (long)Math.Ceiling(dealt / share));
}
