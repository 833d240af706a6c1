using System.Collections.Immutable;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Catalog;

/// <summary>
/// What is registered: instances by id, grouped by service name and by the service they speak for in the mesh, and the
/// checks of the node itself. Immutable.
/// </summary>
/// <remarks>
/// Indexes. A service's own index moves when an instance of it or a check of one changes. A service that is not there has
/// the index of the last time any service vanished, which is above every index it ever had itself, so a watch on it never
/// sees the index go back; it parks on the service's topic and so is woken by nothing but its appearance.
/// A change of the node or of its checks concerns every service on it, which is all of them: <see cref="NodeIndex"/>.
/// </remarks>
internal sealed record CatalogState
{
    public required NodeRecord Node { get; init; }

    public required ImmutableSortedDictionary<string, CheckRecord> NodeChecks { get; init; }

    public ImmutableDictionary<string, InstanceRecord> Instances { get; init; } =
        ImmutableDictionary.Create<string, InstanceRecord>(StringComparer.Ordinal);

    public ImmutableSortedDictionary<string, ServiceGroup> Services { get; init; } =
        ImmutableSortedDictionary.Create<string, ServiceGroup>(StringComparer.OrdinalIgnoreCase);

    public ImmutableSortedDictionary<string, ServiceGroup> Connect { get; init; } =
        ImmutableSortedDictionary.Create<string, ServiceGroup>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Which instance a check belongs to; the empty text for the node. Check ids are unique on a node.</summary>
    public ImmutableDictionary<string, string> CheckOwners { get; init; } =
        ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);

    public required ulong ServicesIndex { get; init; }

    public required ulong ChecksIndex { get; init; }

    public required ulong NodeIndex { get; init; }

    public required ulong VanishedIndex { get; init; }

    public static CatalogState CreateEmpty(ulong index, NodeRecord node, DateTimeOffset now)
    {
        var alive = CheckRecord.NodeAlive(index, now);
        return new CatalogState
        {
            Node = node,
            NodeChecks = ImmutableSortedDictionary.Create<string, CheckRecord>(StringComparer.Ordinal).Add(alive.CheckId, alive),
            CheckOwners = ImmutableDictionary.Create<string, string>(StringComparer.Ordinal).Add(alive.CheckId, string.Empty),
            ServicesIndex = index,
            ChecksIndex = index,
            NodeIndex = index,
            VanishedIndex = index,
        };
    }

    /// <summary>The index of what is answered about a service.</summary>
    public ulong IndexOf(ServiceGroup? group) => Math.Max(group?.Index ?? VanishedIndex, NodeIndex);

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
            return NodeChecks.GetValueOrDefault(checkId);
        }

        instance = Instances[owner];
        return instance.FindCheck(checkId);
    }

    /// <summary>Adds or replaces an instance.</summary>
    public CatalogState WithInstance(InstanceRecord instance, StateChange change)
    {
        Instances.TryGetValue(instance.Id, out var before);
        var vanished = false;
        change.Put(StateTables.Instances, instance.Id, instance);
        var catalog = this with
        {
            Instances = Instances.SetItem(instance.Id, instance),
            Services = Regroup(Services, before, before?.Name, instance, instance.Name, change.Index, ref vanished),
            Connect = Regroup(
                Connect, before, before?.Definition.ConnectName, instance, instance.Definition.ConnectName, change.Index, ref vanished),
            CheckOwners = MoveOwners(before, instance),
        };
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

    /// <summary>Replaces an instance for a difference that nobody is told of, and that is stored only along with the next other one.</summary>
    public CatalogState WithQuietInstance(InstanceRecord instance) => this with
    {
        Instances = Instances.SetItem(instance.Id, instance),
        Services = ReplaceQuietly(Services, instance.Name, instance),
        Connect = ReplaceQuietly(Connect, instance.Definition.ConnectName, instance),
    };

    public CatalogState WithoutInstance(InstanceRecord instance, StateChange change)
    {
        TouchNames(instance, change);
        change.Touch(Topic.Services);
        change.Touch(Topic.Checks);
        change.Delete(StateTables.Instances, instance.Id);
        var vanished = false;
        var catalog = this with
        {
            Instances = Instances.Remove(instance.Id),
            Services = Regroup(Services, instance, instance.Name, null, null, change.Index, ref vanished),
            Connect = Regroup(Connect, instance, instance.Definition.ConnectName, null, null, change.Index, ref vanished),
            CheckOwners = CheckOwners.RemoveRange(instance.Checks.Select(check => check.CheckId)),
            ServicesIndex = change.Index,
            ChecksIndex = change.Index,
        };
        return vanished ? catalog with { VanishedIndex = change.Index } : catalog;
    }

    public CatalogState WithNodeCheck(CheckRecord check, StateChange change)
    {
        change.Touch(Topic.Node);
        change.Touch(Topic.Checks);
        change.Put(StateTables.NodeChecks, check.CheckId, check);
        return this with
        {
            NodeChecks = NodeChecks.SetItem(check.CheckId, check),
            CheckOwners = CheckOwners.SetItem(check.CheckId, string.Empty),
            NodeIndex = change.Index,
            ChecksIndex = change.Index,
        };
    }

    public CatalogState WithoutNodeCheck(string checkId, StateChange change)
    {
        change.Touch(Topic.Node);
        change.Touch(Topic.Checks);
        change.Delete(StateTables.NodeChecks, checkId);
        return this with
        {
            NodeChecks = NodeChecks.Remove(checkId),
            CheckOwners = CheckOwners.Remove(checkId),
            NodeIndex = change.Index,
            ChecksIndex = change.Index,
        };
    }

    private static ImmutableSortedDictionary<string, ServiceGroup> Regroup(
        ImmutableSortedDictionary<string, ServiceGroup> groups,
        InstanceRecord? before, string? nameBefore, InstanceRecord? after, string? nameAfter, ulong index, ref bool vanished)
    {
        if (before is not null && nameBefore is not null
            && !string.Equals(nameBefore, nameAfter, StringComparison.OrdinalIgnoreCase)
            && groups.TryGetValue(nameBefore, out var old))
        {
            old = old.Without(before.Id, index);
            vanished |= old.Instances.IsEmpty;
            groups = old.Instances.IsEmpty ? groups.Remove(nameBefore) : groups.SetItem(nameBefore, old);
        }

        if (after is not null && nameAfter is not null)
        {
            var group = groups.GetValueOrDefault(nameAfter) ?? new ServiceGroup(nameAfter, [], index);
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

    private ImmutableDictionary<string, string> MoveOwners(InstanceRecord? before, InstanceRecord after)
    {
        if (before is not null && before.Checks == after.Checks)
        {
            return CheckOwners;
        }

        var owners = CheckOwners.ToBuilder();
        foreach (var check in before?.Checks ?? [])
        {
            owners.Remove(check.CheckId);
        }

        foreach (var check in after.Checks)
        {
            owners[check.CheckId] = after.Id;
        }

        return owners.ToImmutable();
    }
}
