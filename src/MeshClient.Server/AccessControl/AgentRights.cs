using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;

namespace MeshClient.Server.AccessControl;

/// <summary>The rights that calls of the agent take: on the service they are about, or on the node where they are about none.</summary>
internal static class AgentRights
{
    /// <summary>
    /// A registration takes the right on its service, on the one that the same id had before, on the one a proxy stands for,
    /// and on the owners of the checks it takes over.
    /// </summary>
    public static void DemandRegistration(
        this RequestAccess access, CatalogState catalog, ServiceDefinition definition, IEnumerable<CheckDefinition> checks)
    {
        access.DemandService(definition.Name);
        access.DemandInstance(catalog.Instances.GetValueOrDefault(definition.Id));
        if (definition.ConnectName is { } represented && represented != definition.Name)
        {
            access.DemandService(represented);
        }

        foreach (var check in checks)
        {
            access.DemandCheck(catalog, check.CheckId);
        }
    }

    /// <summary>A change of an instance takes the right on its service; of one that is not there, none.</summary>
    public static void DemandInstance(this RequestAccess access, InstanceRecord? instance)
    {
        access.NeedNothing();
        if (instance is not null)
        {
            access.DemandService(instance.Name);
        }
    }

    /// <summary>A check takes the right on its service, or on the node, and on the owner of a check it replaces.</summary>
    public static void DemandCheckRegistration(this RequestAccess access, CatalogState catalog, string checkId, string serviceId)
    {
        if (serviceId.Length == 0)
        {
            access.DemandNode(catalog.Node.Name);
        }
        else
        {
            access.DemandInstance(catalog.Instances.GetValueOrDefault(serviceId));
        }

        access.DemandCheck(catalog, checkId);
    }

    /// <summary>A change of a check takes the right on its owner; of one that is not there, none.</summary>
    public static void DemandCheck(this RequestAccess access, CatalogState catalog, string checkId)
    {
        access.NeedNothing();
        if (catalog.FindCheck(checkId, out var owner) is null)
        {
            return;
        }

        if (owner is null)
        {
            access.DemandNode(catalog.Node.Name);
        }
        else
        {
            access.DemandService(owner.Name);
        }
    }

    /// <summary>Whether the agent shows a check: by its service, or by the node.</summary>
    public static bool ShowsCheckOfAgent(this RequestAccess access, string node, InstanceRecord? owner) =>
        owner is null ? access.Shows(ResourceKind.Node, node) : access.Shows(ResourceKind.Service, owner.Name);

    private static void DemandService(this RequestAccess access, string name) =>
        access.Demand(ResourceKind.Service, name, AccessLevel.Write, tell: true);

    private static void DemandNode(this RequestAccess access, string name) =>
        access.Demand(ResourceKind.Node, name, AccessLevel.Write, tell: true);
}
