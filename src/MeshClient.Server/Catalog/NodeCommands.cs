using MeshClient.Core;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Catalog;

/// <summary>A check as a catalog registration gives it: it says what it says, and the server does not run it.</summary>
internal sealed record ExternalCheck(
    string CheckId, string Name, string Notes, CheckStatus Status, string Output, string ServiceId, string Type, string DefinitionJson);

/// <summary>Writes a node into the catalog, and an instance and checks on it; all of it or nothing.</summary>
/// <param name="Node">The node; its indexes do not count.</param>
/// <param name="SkipNodeUpdate">Whether a node that is there stays as it is.</param>
/// <param name="Service">The instance; null: none.</param>
/// <param name="Checks">The checks.</param>
/// <param name="At">When.</param>
internal sealed record RegisterInCatalog(
    NodeRecord Node, bool SkipNodeUpdate, ServiceDefinition? Service, EquatableArray<ExternalCheck> Checks, DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var catalog = WithNode(state.Catalog, change);
        var name = catalog.Nodes[Node.Name].Node.Name;
        if (Service is not null)
        {
            var before = catalog.Nodes[name].Instances.GetValueOrDefault(Service.Id);
            if (before?.Definition != Service)
            {
                catalog = catalog.WithInstance(
                    before is null
                        ? new InstanceRecord(name, Service, [], change.Index, change.Index)
                        : before with { Definition = Service, ModifyIndex = change.Index },
                    change);
            }
        }

        foreach (var check in Checks)
        {
            catalog = WithCheck(catalog, name, check, change);
        }

        return ReferenceEquals(catalog, state.Catalog) ? state : state with { Catalog = catalog };
    }

    private CatalogState WithNode(CatalogState catalog, StateChange change)
    {
        var before = catalog.Nodes.GetValueOrDefault(Node.Name)?.Node;
        if (before is { IsLocal: true })
        {
            // What is registered on it is taken; itself it stays what the server's options say.
            return Node.Id.Length == 0 || string.Equals(Node.Id, before.Id, StringComparison.OrdinalIgnoreCase)
                ? catalog
                : throw Reserved(before);
        }

        if (before is not null && SkipNodeUpdate)
        {
            return catalog;
        }

        if (Node.Id.Length > 0 && catalog.NodeNamesById.TryGetValue(Node.Id, out var otherName)
            && !string.Equals(otherName, Node.Name, StringComparison.OrdinalIgnoreCase))
        {
            // A node of the same id under another name has been renamed; what was on it is registered again.
            var other = catalog.Nodes[otherName];
            catalog = other.Node.IsLocal ? throw Reserved(other.Node) : catalog.WithoutNode(other, change);
        }

        var node = Node with
        {
            Name = before?.Name ?? Node.Name,
            Id = Node.Id.Length > 0 ? Node.Id : before?.Id ?? string.Empty,
            CreateIndex = before?.CreateIndex ?? change.Index,
            ModifyIndex = before?.ModifyIndex ?? change.Index,
        };
        return node == before ? catalog : catalog.WithNode(node with { ModifyIndex = change.Index }, change);
    }

    private CatalogState WithCheck(CatalogState catalog, string node, ExternalCheck check, StateChange change)
    {
        var entry = catalog.Nodes[node];
        if (check.ServiceId.Length > 0 && !entry.Instances.ContainsKey(check.ServiceId))
        {
            throw RequestRefusedException.Invalid($"failed inserting check: Missing service registration on node \"{node}\"");
        }

        var before = entry.FindCheck(check.CheckId, out var owner);
        if (before is not null && (owner?.Id ?? string.Empty) != check.ServiceId)
        {
            catalog = CheckRemoval.Remove(catalog, node, before, owner, change);
            before = null;
        }

        var record = new CheckRecord
        {
            CheckId = check.CheckId,
            Name = check.Name,
            Notes = check.Notes,
            Status = check.Status,
            Output = check.Output,
            Type = check.Type,
            DefinitionJson = check.DefinitionJson,
            StatusSince = before?.Status == check.Status ? before.StatusSince : At,
            CreateIndex = before?.CreateIndex ?? change.Index,
            ModifyIndex = before?.ModifyIndex ?? change.Index,
        };
        if (record == before)
        {
            return catalog;
        }

        record = record with { ModifyIndex = change.Index };
        return check.ServiceId.Length == 0
            ? catalog.WithNodeCheck(node, record, change)
            : catalog.WithInstance(catalog.Nodes[node].Instances[check.ServiceId].WithCheck(record), change);
    }

    private RequestRefusedException Reserved(NodeRecord node) => RequestRefusedException.Invalid(
        $"Node name {Node.Name} is reserved by node {node.Id} with name {node.Name} ({node.Address})");
}

/// <summary>Takes an instance or a check off a node, or the node itself with all that is on it. What is not there is no error.</summary>
/// <param name="Node">The name of the node.</param>
/// <param name="ServiceId">The instance; empty: not one.</param>
/// <param name="CheckId">The check, when no instance is named; empty with an empty <paramref name="ServiceId"/>: the node.</param>
internal sealed record DeregisterFromCatalog(string Node, string ServiceId, string CheckId) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var catalog = state.Catalog;
        if (!catalog.Nodes.TryGetValue(Node, out var entry))
        {
            return state;
        }

        if (ServiceId.Length > 0)
        {
            return entry.Instances.TryGetValue(ServiceId, out var instance)
                ? state with { Catalog = catalog.WithoutInstance(instance, change) }
                : state;
        }

        if (CheckId.Length > 0)
        {
            if (entry.Node.IsLocal && CheckId == CheckRecord.NodeAliveId)
            {
                throw RequestRefusedException.Invalid($"The check \"{CheckId}\" of the server's own node cannot be removed");
            }

            return entry.FindCheck(CheckId, out var owner) is { } check
                ? state with { Catalog = CheckRemoval.Remove(catalog, entry.Node.Name, check, owner, change) }
                : state;
        }

        return entry.Node.IsLocal
            ? throw RequestRefusedException.Invalid($"The node \"{entry.Node.Name}\" is the server's own and cannot be removed")
            : state with { Catalog = catalog.WithoutNode(entry, change) };
    }
}
