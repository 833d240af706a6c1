using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// In turn, each as often as its weight says: weighted round robin by a <see cref="SmoothSchedule"/>. Begins anywhere in it, so
/// that many callers that start together do not all begin with the same instance.
/// </summary>
internal sealed class SchedulePicker(InstanceState[] instances, ReadOnlySpan<int> weights, SlowStart? slowStart, MeshRandom random)
    : TurnPicker(instances, slowStart, instances.Length)
{
    private readonly int[] _schedule = SmoothSchedule.Build(weights);
    private uint _turn = (uint)random.NextBits();

    protected override int Propose(in PickCall call) => _schedule[Interlocked.Increment(ref _turn) % (uint)_schedule.Length];
}
