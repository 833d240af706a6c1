using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// One after the other, whatever their weights. Begins anywhere, so that many callers that start together do not all begin with
/// the same instance.
/// </summary>
internal sealed class RoundRobinPicker(InstanceState[] instances, SlowStart? slowStart, MeshRandom random)
    : TurnPicker(instances, slowStart, instances.Length)
{
    private readonly uint _count = (uint)instances.Length;
    private uint _turn = (uint)random.NextBits();

    protected override int Propose(in PickCall call) => (int)(Interlocked.Increment(ref _turn) % _count);
}
