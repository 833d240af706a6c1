namespace MeshClient.Balancing;

/// <summary>
/// Draws indexes in proportion to weights in constant time: Vose's form of Walker's alias method (Vose, "A Linear Algorithm for
/// Generating Random Numbers with a Given Distribution", IEEE TSE 17(9), 1991). Immutable.
/// </summary>
internal sealed class AliasTable
{
    private readonly Column[] _columns;

    /// <param name="weights">0 or more, at least one above 0.</param>
    public AliasTable(ReadOnlySpan<double> weights)
    {
        var count = weights.Length;
        _columns = new Column[count];
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
            _columns[i] = new Column(uint.MaxValue, i);
            (scaled[i] < 1 ? small : large).Push(i);
        }

        while (small.TryPop(out var less) && large.TryPop(out var more))
        {
            _columns[less] = new Column((uint)(scaled[less] * uint.MaxValue), more);
            scaled[more] -= 1 - scaled[less];
            (scaled[more] < 1 ? small : large).Push(more);
        }
    }

    /// <summary>Whether a table is needed at all.</summary>
    public static bool AreUnequal(ReadOnlySpan<double> weights) => weights.Length > 1 && weights.ContainsAnyExcept(weights[0]);

    public int Draw(MeshRandom random)
    {
        var bits = random.NextBits();
        var columns = _columns;
        var index = MeshRandom.Scale((uint)bits, columns.Length);
        var column = columns[index];
        return Branchless.Choose(index, column.Alias, (long)column.Threshold - (uint)(bits >> 32));
    }

    /// <summary>Both are looked at by every draw, so they lie together.</summary>
    /// <param name="Threshold">The greatest number of 32 bits that stands for the column itself.</param>
    /// <param name="Alias">What the greater ones stand for.</param>
    private readonly record struct Column(uint Threshold, int Alias);
}
