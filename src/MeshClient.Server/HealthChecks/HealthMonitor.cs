using MeshClient.Server.Catalog;

namespace MeshClient.Server.HealthChecks;

/// <summary>Everything that moves checks: the clocks of those that are beaten, and the loops of those the server carries out.</summary>
internal sealed class HealthMonitor(TtlMonitor beats, CheckRunner runner) : IDisposable
{
    public TtlMonitor Beats => beats;

    public CheckRunner Runner => runner;

    /// <summary>
    /// Brings what runs for a check in line with the state. Whoever has written a registration calls it, with the checks of
    /// before and after.
    /// </summary>
    public void Follow(string checkId)
    {
        beats.Follow(checkId);
        runner.Follow(checkId);
    }

    /// <summary>The same for the checks of the server's own node in which two states differ.</summary>
    public void FollowChanges(CatalogState before, CatalogState after)
    {
        foreach (var checkId in before.CheckOwners.Keys.Union(after.CheckOwners.Keys))
        {
            if (!Equals(before.FindCheck(checkId, out _), after.FindCheck(checkId, out _)))
            {
                Follow(checkId);
            }
        }
    }

    public void Dispose()
    {
        runner.Dispose();
        beats.Dispose();
    }
}
