using MeshClient.Discovery;

namespace MeshClient.Balancing;

/// <summary>
/// What the policies have in common that propose one instance after the other: the first good one is taken, unless a slow start
/// holds it back, and when none of the proposals is good the list is walked.
/// </summary>
/// <param name="instances">Those that may be called.</param>
/// <param name="slowStart">Holds back those that have just come; null: nothing does.</param>
/// <param name="maxProposals">How many proposals are asked for.</param>
internal abstract class TurnPicker(InstanceState[] instances, SlowStart? slowStart, int maxProposals) : InstancePicker
{
    public override InstanceState? TryPick(in PickCall call)
    {
        if (instances.Length == 0)
        {
            return null;
        }

        var isWarming = slowStart?.IsOver(call.Now) == false;
        InstanceState? heldBack = null;
        for (var i = 0; i < maxProposals; i++)
        {
            var candidate = instances[Propose(call)];
            if (!call.IsGood(candidate))
            {
                continue;
            }

            if (!isWarming || slowStart!.Admits(candidate, call))
            {
                return candidate;
            }

            heldBack = candidate;
        }

        return heldBack ?? AnyGood(instances, call);
    }

    /// <summary>The index of the next proposal.</summary>
    protected abstract int Propose(in PickCall call);
}
