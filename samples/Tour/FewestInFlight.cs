using MeshClient.Balancing;

namespace Tour;

// README: picker
internal sealed class FewestInFlight : IInstancePicker
{
    public int Pick(in PickContext context)
    {
        var best = 0;
        for (var i = 1; i < context.Candidates.Count; i++)
        {
            best = context.Candidates[i].InFlight < context.Candidates[best].InFlight ? i : best;
        }

        return best;
    }
}
// README: end
