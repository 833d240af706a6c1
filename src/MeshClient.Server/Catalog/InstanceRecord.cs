using System.Collections.Immutable;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.Catalog;

/// <summary>An instance in the catalog, on the node of the given name, with its checks ordered by id.</summary>
internal sealed record InstanceRecord(
    string Node, ServiceDefinition Definition, ImmutableArray<CheckRecord> Checks, ulong CreateIndex, ulong ModifyIndex)
{
    public InstanceKey Key => new(Node, Definition.Id);

    public string Id => Definition.Id;

    public string Name => Definition.Name;

    public CheckRecord? FindCheck(string checkId)
    {
        foreach (var check in Checks)
        {
            if (string.Equals(check.CheckId, checkId, StringComparison.Ordinal))
            {
                return check;
            }
        }

        return null;
    }

    /// <summary>With a check added or replaced.</summary>
    public InstanceRecord WithCheck(CheckRecord check)
    {
        var position = 0;
        for (; position < Checks.Length; position++)
        {
            var order = string.CompareOrdinal(Checks[position].CheckId, check.CheckId);
            if (order == 0)
            {
                return this with { Checks = Checks.SetItem(position, check) };
            }

            if (order > 0)
            {
                break;
            }
        }

        return this with { Checks = Checks.Insert(position, check) };
    }

    public InstanceRecord WithoutCheck(string checkId) =>
        this with { Checks = Checks.RemoveAll(check => string.Equals(check.CheckId, checkId, StringComparison.Ordinal)) };
}
