using System.Collections.Immutable;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Catalog;

/// <summary>A node with everything on it: its own checks, and the instances with theirs. Ids are unique on a node.</summary>
internal sealed record NodeEntry(NodeRecord Node, ulong Index)
{
    /// <summary>The checks of the node itself.</summary>
    public ImmutableSortedDictionary<string, CheckRecord> Checks { get; init; } =
        ImmutableSortedDictionary.Create<string, CheckRecord>(StringComparer.Ordinal);

    public ImmutableDictionary<string, InstanceRecord> Instances { get; init; } =
        ImmutableDictionary.Create<string, InstanceRecord>(StringComparer.Ordinal);

    /// <summary>Which instance a check belongs to; the empty text for the node.</summary>
    public ImmutableDictionary<string, string> CheckOwners { get; init; } =
        ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Finds a check and the instance it belongs to; null for the node's own.</summary>
    public CheckRecord? FindCheck(string checkId, out InstanceRecord? instance)
    {
        instance = null;
        if (!CheckOwners.TryGetValue(checkId, out var owner))
        {
            return null;
        }

        if (owner.Length == 0)
        {
            return Checks.GetValueOrDefault(checkId);
        }

        instance = Instances[owner];
        return instance.FindCheck(checkId);
    }

    /// <summary>Every check on the node with the instance it belongs to, ordered by id.</summary>
    public IEnumerable<(CheckRecord Check, InstanceRecord? Instance)> AllChecks() =>
        Checks.Values.Select(check => (check, (InstanceRecord?)null))
            .Concat(Instances.Values.SelectMany(instance => instance.Checks.Select(check => (check, (InstanceRecord?)instance))))
            .OrderBy(found => found.check.CheckId, StringComparer.Ordinal);
}
