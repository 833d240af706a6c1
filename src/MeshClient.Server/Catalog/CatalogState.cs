using System.Collections.Immutable;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Catalog;

/// <summary>
/// What is registered: nodes with what is on them, and the instances grouped by service name and by the service they speak
/// for in the mesh. Immutable; a write copies a path of each tree it goes into, never a whole table.
/// </summary>
/// <remarks>
/// Indexes. A service's own index moves when an instance of it or a check of one changes, and when its node or a check of the
/// node does: that concerns every service on the node. A service that is not there has the index of the last time any
/// service vanished, which is above every index it ever had itself, so a watch on it never sees the index go back; it parks
/// on the service's topic and so is woken by nothing but its appearance.
/// </remarks>
internal sealed record CatalogState
{
    /// <summary>The name of the server's own node, on which the agents' calls work.</summary>
    public required string LocalName { get; init; }

    /// <summary>By name, which is compared without regard to case.</summary>
    public required ImmutableSortedDictionary<string, NodeEntry> Nodes { get; init; }

    /// <summary>The names of the nodes that have an id.</summary>
    public ImmutableDictionary<string, string> NodeNamesById { get; init; } =
        ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase);

    public ImmutableSortedDictionary<string, ServiceGroup> Services { get; init; } =
        ImmutableSortedDictionary.Create<string, ServiceGroup>(StringComparer.OrdinalIgnoreCase);

    public ImmutableSortedDictionary<string, ServiceGroup> Connect { get; init; } =
        ImmutableSortedDictionary.Create<string, ServiceGroup>(StringComparer.OrdinalIgnoreCase);

    public required ulong ServicesIndex { get; init; }

    public required ulong ChecksIndex { get; init; }

    public required ulong NodesIndex { get; init; }

    public required ulong VanishedIndex { get; init; }

    /// <summary>How often a check of a node has got another output, which shows in answers but moves no index.</summary>
    public ulong QuietNodeChecks { get; init; }

    /// <summary>The server's own node with what is on it.</summary>
    public NodeEntry Local => Nodes[LocalName];

    /// <summary>The server's own node.</summary>
    public NodeRecord Node => Local.Node;

    /// <summary>The checks of the server's own node itself.</summary>
    public ImmutableSortedDictionary<string, CheckRecord> NodeChecks => Local.Checks;

    /// <summary>The instances on the server's own node, by id.</summary>
    public ImmutableDictionary<string, InstanceRecord> Instances => Local.Instances;

    /// <summary>Which instance a check on the server's own node belongs to.</summary>
    public ImmutableDictionary<string, string> CheckOwners => Local.CheckOwners;

    public static CatalogState CreateEmpty(ulong index, NodeRecord node, DateTimeOffset now)
    {
        var alive = CheckRecord.NodeAlive(index, now);
        var entry = new NodeEntry(node, index);
        entry = entry with { Checks = entry.Checks.Add(alive.CheckId, alive), CheckOwners = entry.CheckOwners.Add(alive.CheckId, string.Empty) };
        return new CatalogState
        {
            LocalName = node.Name,
            Nodes = ImmutableSortedDictionary.Create<string, NodeEntry>(StringComparer.OrdinalIgnoreCase).Add(node.Name, entry),
            NodeNamesById = ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase).Add(node.Id, node.Name),
            ServicesIndex = index,
            ChecksIndex = index,
            NodesIndex = index,
            VanishedIndex = index,
        };
    }

    /// <summary>The index of what is answered about a service.</summary>
    public ulong IndexOf(ServiceGroup? group) => group?.Index ?? VanishedIndex;

    /// <summary>Finds a check on the server's own node and the instance it belongs to; null for the node's own.</summary>
    public CheckRecord? FindCheck(string checkId, out InstanceRecord? instance) => Local.FindCheck(checkId, out instance);

    /// <summary>The node an instance is on.</summary>
    public NodeEntry NodeOf(InstanceRecord instance) => Nodes[instance.Node];

    /// <summary>Adds or replaces an instance.</summary>
    public CatalogState WithInstance(InstanceRecord instance, StateChange change)
    {
        var entry = NodeOf(instance);
        entry.Instances.TryGetValue(instance.Id, out var before);
        var vanished = false;
        var catalog = this with
        {
            Nodes = Nodes.SetItem(instance.Node, entry with
            {
                Index = change.Index,
                Instances = entry.Instances.SetItem(instance.Id, instance),
                CheckOwners = MoveOwners(entry.CheckOwners, before, instance),
            }),
            Services = Regroup(Services, before, before?.Name, instance, instance.Name, change.Index, ref vanished),
            Connect = Regroup(
                Connect, before, before?.Definition.ConnectName, instance, instance.Definition.ConnectName, change.Index, ref vanished),
        };
        change.Put(StateTables.Instances, InstanceRows.KeyOf(entry.Node, instance.Id), instance);
        change.Touch(Topic.NodeNamed(instance.Node));
        TouchNames(before, change);
        TouchNames(instance, change);
        if (before is null || before.Definition != instance.Definition)
        {
            change.Touch(Topic.Services);
            catalog = catalog with { ServicesIndex = change.Index };
        }

        if (before is null || before.Checks != instance.Checks)
        {
            change.Touch(Topic.Checks);
            catalog = catalog with { ChecksIndex = change.Index };
        }

        return vanished ? catalog with { VanishedIndex = change.Index } : catalog;
    }

    /// <summary>Replaces an instance for a difference that nobody is told of, and that is not stored.</summary>
    public CatalogState WithQuietInstance(InstanceRecord instance)
    {
        var entry = NodeOf(instance);
        return this with
        {
            Nodes = Nodes.SetItem(instance.Node, entry with { Instances = entry.Instances.SetItem(instance.Id, instance) }),
            Services = ReplaceQuietly(Services, instance.Name, instance),
            Connect = ReplaceQuietly(Connect, instance.Definition.ConnectName, instance),
        };
    }

    /// <summary>The sidecar that was made with an instance of the server's own node, and goes with it; null when there is none.</summary>
    public InstanceRecord? FindSidecar(string serviceId) =>
        Instances.GetValueOrDefault(serviceId + ServiceDefinition.SidecarSuffix) is { Definition.IsMadeSidecar: true } sidecar ? sidecar : null;

    /// <summary>Without an instance of the server's own node and the sidecar made with it.</summary>
    public CatalogState WithoutInstanceAndSidecar(InstanceRecord instance, StateChange change)
    {
        var catalog = WithoutInstance(instance, change);
        return FindSidecar(instance.Id) is { } sidecar ? catalog.WithoutInstance(sidecar, change) : catalog;
    }

    public CatalogState WithoutInstance(InstanceRecord instance, StateChange change)
    {
        var entry = NodeOf(instance);
        change.Delete(StateTables.Instances, InstanceRows.KeyOf(entry.Node, instance.Id));
        change.Touch(Topic.NodeNamed(instance.Node));
        change.Touch(Topic.Services);
        change.Touch(Topic.Checks);
        TouchNames(instance, change);
        var vanished = false;
        var catalog = this with
        {
            Nodes = Nodes.SetItem(instance.Node, entry with
            {
                Index = change.Index,
                Instances = entry.Instances.Remove(instance.Id),
                CheckOwners = entry.CheckOwners.RemoveRange(instance.Checks.Select(check => check.CheckId)),
            }),
            Services = Regroup(Services, instance, instance.Name, null, null, change.Index, ref vanished),
            Connect = Regroup(Connect, instance, instance.Definition.ConnectName, null, null, change.Index, ref vanished),
            ServicesIndex = change.Index,
            ChecksIndex = change.Index,
        };
        return vanished ? catalog with { VanishedIndex = change.Index } : catalog;
    }

    /// <summary>Adds a node, or replaces what it says of itself.</summary>
    public CatalogState WithNode(NodeRecord node, StateChange change)
    {
        change.Put(StateTables.Nodes, NodeRows.KeyOf(node), node);
        change.Touch(Topic.Nodes);
        change.Touch(Topic.NodeNamed(node.Name));
        var before = Nodes.GetValueOrDefault(node.Name);
        var names = before is { Node.Id.Length: > 0 } ? NodeNamesById.Remove(before.Node.Id) : NodeNamesById;
        var catalog = this with
        {
            Nodes = Nodes.SetItem(node.Name, before is null ? new NodeEntry(node, change.Index) : before with { Node = node, Index = change.Index }),
            NodeNamesById = node.Id.Length > 0 ? names.SetItem(node.Id, node.Name) : names,
            NodesIndex = change.Index,
        };
        return catalog.WithServicesOfNodeTouched(node.Name, change);
    }

    /// <summary>Takes a node out, with everything on it.</summary>
    public CatalogState WithoutNode(NodeEntry entry, StateChange change)
    {
        var catalog = this;
        foreach (var instance in entry.Instances.Values)
        {
            catalog = catalog.WithoutInstance(instance, change);
        }

        foreach (var checkId in entry.Checks.Keys)
        {
            catalog = catalog.WithoutNodeCheck(entry.Node.Name, checkId, change);
        }

        change.Delete(StateTables.Nodes, NodeRows.KeyOf(entry.Node));
        change.Touch(Topic.Nodes);
        change.Touch(Topic.NodeNamed(entry.Node.Name));
        return catalog with
        {
            Nodes = catalog.Nodes.Remove(entry.Node.Name),
            NodeNamesById = entry.Node.Id.Length > 0 ? catalog.NodeNamesById.Remove(entry.Node.Id) : catalog.NodeNamesById,
            NodesIndex = change.Index,
        };
    }

    public CatalogState WithNodeCheck(string node, CheckRecord check, StateChange change)
    {
        var entry = Nodes[node];
        change.Put(StateTables.NodeChecks, NodeCheckRows.KeyOf(entry.Node, check.CheckId), check);
        return WithNodeChecks(
            entry with { Checks = entry.Checks.SetItem(check.CheckId, check), CheckOwners = entry.CheckOwners.SetItem(check.CheckId, string.Empty) }, change);
    }

    /// <summary>Replaces a check of a node for a difference that nobody is told of, and that is not stored.</summary>
    public CatalogState WithQuietNodeCheck(string node, CheckRecord check)
    {
        var entry = Nodes[node];
        return this with
        {
            Nodes = Nodes.SetItem(node, entry with { Checks = entry.Checks.SetItem(check.CheckId, check) }),
            QuietNodeChecks = QuietNodeChecks + 1,
        };
    }

    public CatalogState WithoutNodeCheck(string node, string checkId, StateChange change)
    {
        var entry = Nodes[node];
        change.Delete(StateTables.NodeChecks, NodeCheckRows.KeyOf(entry.Node, checkId));
        return WithNodeChecks(
            entry with { Checks = entry.Checks.Remove(checkId), CheckOwners = entry.CheckOwners.Remove(checkId) }, change);
    }

    private CatalogState WithNodeChecks(NodeEntry entry, StateChange change)
    {
        change.Touch(Topic.Checks);
        change.Touch(Topic.NodeNamed(entry.Node.Name));
        var catalog = this with { Nodes = Nodes.SetItem(entry.Node.Name, entry with { Index = change.Index }), ChecksIndex = change.Index };
        return catalog.WithServicesOfNodeTouched(entry.Node.Name, change);
    }

    // As many steps as there are names on the node: such a change is rare, and it does concern them all.
    private CatalogState WithServicesOfNodeTouched(string node, StateChange change)
    {
        var entry = Nodes[node];
        if (entry.Instances.IsEmpty)
        {
            return this;
        }

        var (services, connect) = (Services.ToBuilder(), Connect.ToBuilder());
        foreach (var name in entry.Instances.Values.Select(instance => instance.Name).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            services[name] = services[name] with { Index = change.Index };
            change.Touch(Topic.Service(name));
        }

        foreach (var name in entry.Instances.Values.Select(instance => instance.Definition.ConnectName).OfType<string>().Distinct(StringComparer.OrdinalIgnoreCase))
        {
            connect[name] = connect[name] with { Index = change.Index };
            change.Touch(Topic.Connect(name));
        }

        return this with { Services = services.ToImmutable(), Connect = connect.ToImmutable() };
    }

    private static ImmutableSortedDictionary<string, ServiceGroup> Regroup(
        ImmutableSortedDictionary<string, ServiceGroup> groups,
        InstanceRecord? before, string? nameBefore, InstanceRecord? after, string? nameAfter, ulong index, ref bool vanished)
    {
        if (before is not null && nameBefore is not null
            && !string.Equals(nameBefore, nameAfter, StringComparison.OrdinalIgnoreCase)
            && groups.TryGetValue(nameBefore, out var old))
        {
            old = old.Without(before.Key, index);
            vanished |= old.IsEmpty;
            groups = old.IsEmpty ? groups.Remove(nameBefore) : groups.SetItem(nameBefore, old);
        }

        if (after is not null && nameAfter is not null)
        {
            var group = groups.GetValueOrDefault(nameAfter) ?? new ServiceGroup(nameAfter, index);
            groups = groups.SetItem(nameAfter, group.With(after, index));
        }

        return groups;
    }

    private static ImmutableSortedDictionary<string, ServiceGroup> ReplaceQuietly(
        ImmutableSortedDictionary<string, ServiceGroup> groups, string? name, InstanceRecord instance) =>
        name is not null && groups.TryGetValue(name, out var group)
            ? groups.SetItem(name, group.With(instance, group.Index))
            : groups;

    private static void TouchNames(InstanceRecord? instance, StateChange change)
    {
        if (instance is null)
        {
            return;
        }

        change.Touch(Topic.Service(instance.Name));
        if (instance.Definition.ConnectName is { } connect)
        {
            change.Touch(Topic.Connect(connect));
        }
    }

    private static ImmutableDictionary<string, string> MoveOwners(
        ImmutableDictionary<string, string> owners, InstanceRecord? before, InstanceRecord after)
    {
        if (before is not null && before.Checks == after.Checks)
        {
            return owners;
        }

        foreach (var check in before?.Checks ?? [])
        {
            if (after.FindCheck(check.CheckId) is null)
            {
                owners = owners.Remove(check.CheckId);
            }
        }

        foreach (var check in after.Checks)
        {
            owners = owners.SetItem(check.CheckId, after.Id);
        }

        return owners;
    }
}
