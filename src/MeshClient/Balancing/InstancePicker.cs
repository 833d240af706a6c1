using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// A balancing policy over one list of instances. A new list makes a new picker, so what a policy works out beforehand (tables,
/// schedules, rings) never changes under a pick; what has to last lives in <see cref="InstanceState"/>.
/// </summary>
internal abstract class InstancePicker
{
    /// <summary>4096: what fewer take of memory, a second-level cache of a megabyte holds anyhow.</summary>
    public const int LeastForeseen = 4096;

    /// <summary>Chooses.</summary>
    /// <returns>An instance that is neither ejected nor tried; null only when there is none.</returns>
    public abstract InstanceState? TryPick(in PickCall call);

    /// <summary>
    /// Asks for what the next picks of this thread will look at, where that can be told, so that it comes from memory while calls do
    /// other things. For lists of at least <see cref="LeastForeseen"/>, two or more.
    /// </summary>
    public virtual void Foresee(MeshRandom random)
    {
    }

    /// <summary>
    /// The first that is good from a place drawn at random on, for when a policy's own way has found none; null when there is
    /// none.
    /// </summary>
    protected static InstanceState? AnyGood(ReadOnlySpan<InstanceState> instances, in PickCall call)
    {
        if (instances.IsEmpty)
        {
            return null;
        }

        var start = call.Random.Next(instances.Length);
        for (var i = 0; i < instances.Length; i++)
        {
            var candidate = instances[(start + i) % instances.Length];
            if (call.IsGood(candidate))
            {
                return candidate;
            }
        }

        return null;
    }
}
