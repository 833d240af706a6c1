using System.Buffers;
using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>Asks the app's own picker, after taking out those it must not choose.</summary>
internal sealed class UserPicker(IInstancePicker picker, InstanceState[] instances) : InstancePicker
{
    public override InstanceState? TryPick(in PickCall call)
    {
        if (call.AllGood)
        {
            return instances.Length == 0 ? null : Ask(call, instances);
        }

        var good = ArrayPool<InstanceState>.Shared.Rent(instances.Length);
        var count = 0;
        foreach (var instance in instances)
        {
            if (call.IsGood(instance))
            {
                good[count++] = instance;
            }
        }

        try
        {
            return count == 0 ? null : Ask(call, good.AsSpan(0, count));
        }
        finally
        {
            // Cleared, or an instance that is gone would be kept alive by the pool.
            good.AsSpan(0, count).Clear();
            ArrayPool<InstanceState>.Shared.Return(good);
        }
    }

    private InstanceState Ask(in PickCall call, ReadOnlySpan<InstanceState> candidates)
    {
        var index = picker.Pick(new PickContext(call.Request!, candidates));
        return (uint)index < (uint)candidates.Length
            ? candidates[index]
            : throw new InvalidOperationException(
                $"The picker {picker.GetType()} chose {index} of {candidates.Length} candidates; it has to be 0 to {candidates.Length - 1}.");
    }
}
