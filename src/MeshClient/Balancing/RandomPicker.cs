using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>By chance, in proportion to the weights.</summary>
internal sealed class RandomPicker(InstanceState[] instances, ReadOnlySpan<double> weights, SlowStart? slowStart)
    : TurnPicker(instances, slowStart, MaxDraws)
{
    // Half of the instances may be out and still 99 % of picks find a good one.
    private const int MaxDraws = 7;

    private readonly int _count = instances.Length;
    private readonly AliasTable? _draw = AliasTable.AreUnequal(weights) ? new AliasTable(weights) : null;

    protected override int Propose(in PickCall call) => _draw?.Draw(call.Random) ?? call.Random.Next(_count);
}
