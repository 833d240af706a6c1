namespace MeshClient.Balancing;

/// <summary>
/// Draws indexes in proportion to weights in constant time: Vose's form of Walker's alias method (Vose, "A Linear Algorithm for
/// Generating Random Numbers with a Given Distribution", IEEE TSE 17(9), 1991). Immutable.
/// </summary>
internal sealed class AliasTable
{
    private readonly uint[] _threshold;
    private readonly int[] _alias;

    /// <param name="weights">0 or more, at least one above 0.</param>
    public AliasTable(ReadOnlySpan<double> weights)
    {
        var count = weights.Length;
        _threshold = new uint[count];
        _alias = new int[count];
        double sum = 0;
        foreach (var weight in weights)
        {
            sum += weight;
        }

        var scaled = new double[count];
        var small = new Stack<int>();
        var large = new Stack<int>();
        for (var i = 0; i < count; i++)
        {
            scaled[i] = weights[i] / sum * count;
            _alias[i] = i;
            _threshold[i] = uint.MaxValue;
            (scaled[i] < 1 ? small : large).Push(i);
        }

        while (small.TryPop(out var less) && large.TryPop(out var more))
        {
            _threshold[less] = (uint)(scaled[less] * uint.MaxValue);
            _alias[less] = more;
            scaled[more] -= 1 - scaled[less];
            (scaled[more] < 1 ? small : large).Push(more);
        }
    }

    /// <summary>Whether a table is needed at all.</summary>
    public static bool AreUnequal(ReadOnlySpan<double> weights) => weights.Length > 1 && weights.ContainsAnyExcept(weights[0]);

    public int Draw(MeshRandom random)
    {
        var bits = random.NextBits();
        var column = MeshRandom.Scale((uint)bits, _alias.Length);
        return (uint)(bits >> 32) <= _threshold[column] ? column : _alias[column];
    }
}
