using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.AccessControl;

/// <summary>The rights that writes to the catalog take: on the node when it changes, and on the services and owners of checks.</summary>
internal static class CatalogRights
{
    public static void DemandRegistration(this RequestAccess access, CatalogState catalog, RegisterInCatalog command)
    {
        access.NeedNothing();
        var entry = catalog.Nodes.GetValueOrDefault(command.Node.Name);
        if (entry is null || (!command.SkipNodeUpdate && IsOther(entry.Node, command.Node)))
        {
            access.Demand(ResourceKind.Node, command.Node.Name, AccessLevel.Write);
        }

        // The id of another node takes that one out.
        if (command.Node.Id.Length > 0 && catalog.NodeNamesById.TryGetValue(command.Node.Id, out var renamed))
        {
            access.DemandWholeNode(catalog.Nodes[renamed], command.Node.Name);
        }

        if (command.Service is { } service)
        {
            access.Demand(ResourceKind.Service, service.Name, AccessLevel.Write);
            access.DemandOwner(entry?.Instances.GetValueOrDefault(service.Id));
            if (service.ConnectName is { } represented)
            {
                access.Demand(ResourceKind.Service, represented, AccessLevel.Write);
            }
        }

        foreach (var check in command.Checks)
        {
            if (check.ServiceId.Length == 0)
            {
                access.Demand(ResourceKind.Node, command.Node.Name, AccessLevel.Write);
            }
            else if (check.ServiceId != command.Service?.Id)
            {
                access.DemandOwner(entry?.Instances.GetValueOrDefault(check.ServiceId));
            }

            access.DemandCheck(entry, check.CheckId);
        }
    }

    public static void DemandDeregistration(this RequestAccess access, CatalogState catalog, DeregisterFromCatalog command)
    {
        access.NeedNothing();
        var entry = catalog.Nodes.GetValueOrDefault(command.Node);
        if (command.ServiceId.Length > 0)
        {
            access.DemandOwner(entry?.Instances.GetValueOrDefault(command.ServiceId));
        }
        else if (command.CheckId.Length > 0)
        {
            access.DemandCheck(entry, command.CheckId);
        }
        else
        {
            access.Demand(ResourceKind.Node, command.Node, AccessLevel.Write);
        }
    }

    private static void DemandWholeNode(this RequestAccess access, NodeEntry entry, string newName)
    {
        if (!string.Equals(entry.Node.Name, newName, StringComparison.OrdinalIgnoreCase))
        {
            access.Demand(ResourceKind.Node, entry.Node.Name, AccessLevel.Write);
        }
    }

    private static void DemandCheck(this RequestAccess access, NodeEntry? entry, string checkId)
    {
        if (entry?.FindCheck(checkId, out var owner) is null)
        {
            return;
        }

        if (owner is null)
        {
            access.Demand(ResourceKind.Node, entry.Node.Name, AccessLevel.Write);
        }
        else
        {
            access.DemandOwner(owner);
        }
    }

    private static void DemandOwner(this RequestAccess access, InstanceRecord? instance)
    {
        if (instance is not null)
        {
            access.Demand(ResourceKind.Service, instance.Name, AccessLevel.Write);
        }
    }

    private static bool IsOther(NodeRecord before, NodeRecord after) =>
        !before.IsLocal
        && (before.Address != after.Address || before.Meta != after.Meta || before.TaggedAddresses != after.TaggedAddresses
            || (after.Id.Length > 0 && !string.Equals(before.Id, after.Id, StringComparison.OrdinalIgnoreCase)));
}
