using MeshClient.Server.Catalog;

namespace MeshClient.Server.HealthChecks;

/// <summary>
/// What an alias check says: the worst of the checks of what it follows, the node's own included, in Consul's words.
/// </summary>
/// <remarks>
/// Aliases of aliases are followed to the checks behind them, each once. Were what an alias said last taken at its word, two
/// that follow each other would keep each other critical for ever; Consul lets them.
/// </remarks>
internal static class AliasVerdict
{
    public static ProbeResult Of(CatalogState catalog, string node, string checkId, ProbeDefinition alias)
    {
        var visited = new HashSet<(string Node, string CheckId)> { (node, checkId) };
        var verdict = new ProbeResult(CheckStatus.Passing, "No checks found.");
        // In a row and not by recursion: a chain of aliases is as long as whoever registers makes it.
        var left = new Queue<(string Node, ProbeDefinition Alias)>([(node, alias)]);
        while (verdict.Status != CheckStatus.Critical && left.TryDequeue(out var next))
        {
            Judge(catalog, next.Node, next.Alias, visited, left, ref verdict);
        }

        return verdict;
    }

    /// <summary>The name of the node an alias follows, or of whose instance.</summary>
    public static string NodeOf(string node, ProbeDefinition alias) => alias.AliasNode.Length > 0 ? alias.AliasNode : node;

    private static void Judge(
        CatalogState catalog, string node, ProbeDefinition alias, HashSet<(string Node, string CheckId)> visited,
        Queue<(string Node, ProbeDefinition Alias)> left, ref ProbeResult verdict)
    {
        if (!catalog.Nodes.TryGetValue(NodeOf(node, alias), out var entry))
        {
            return;
        }

        var checks = entry.Checks.Values.AsEnumerable();
        if (alias.AliasService.Length > 0)
        {
            if (!entry.Instances.TryGetValue(alias.AliasService, out var instance))
            {
                verdict = new ProbeResult(CheckStatus.Critical, $"Service {alias.AliasService} could not be found on node {entry.Node.Name}");
                return;
            }

            checks = checks.Concat(instance.Checks);
        }

        foreach (var check in checks)
        {
            if (!visited.Add((entry.Node.Name, check.CheckId)))
            {
                continue;
            }

            if (check.Probe is { Type: ProbeDefinition.AliasType } next)
            {
                left.Enqueue((entry.Node.Name, next));
            }
            else if (check.Status > verdict.Status)
            {
                verdict = new ProbeResult(check.Status, $"Aliased check \"{check.Name}\" failing: {check.Output}");
            }
            else if (verdict.Status == CheckStatus.Passing)
            {
                verdict = new ProbeResult(CheckStatus.Passing, "All checks passing.");
            }

            if (verdict.Status == CheckStatus.Critical)
            {
                return;
            }
        }
    }
}
