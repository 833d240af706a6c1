using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// A balancing policy over one list of instances. A new list makes a new picker, so what a policy works out beforehand (tables,
/// schedules, rings) never changes under a pick; what has to last lives in <see cref="InstanceState"/>.
/// </summary>
internal abstract class InstancePicker
{
    /// <summary>Chooses.</summary>
    /// <returns>An instance that is neither ejected nor tried; null only when there is none.</returns>
    public abstract InstanceState? TryPick(in PickCall call);
}
