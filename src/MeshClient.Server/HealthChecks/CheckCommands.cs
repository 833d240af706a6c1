using MeshClient.Server.Catalog;
using MeshClient.Server.State;

namespace MeshClient.Server.HealthChecks;

/// <summary>Sets what a check says.</summary>
/// <param name="CheckId">The check.</param>
/// <param name="Status">What it says now.</param>
/// <param name="Output">Why.</param>
/// <param name="At">When.</param>
/// <param name="Probe">What found it out; a check that is defined otherwise by now stays as it is. Null: its owner says so.</param>
internal sealed record SetCheckStatus(
    string CheckId, CheckStatus Status, string Output, DateTimeOffset At, ProbeDefinition? Probe = null) : StateCommand
{
    public override bool IsSoft => true;

    public override ServerState Apply(ServerState state, StateChange change)
    {
        var check = state.Catalog.FindCheck(CheckId, out var instance)
            ?? throw RequestRefusedException.NotFound(CheckTexts.Unknown(CheckId));
        if ((check.Status == Status && string.Equals(check.Output, Output, StringComparison.Ordinal))
            || (Probe is not null && Probe != check.Probe))
        {
            return state;
        }

        if (check.Status == Status)
        {
            // Consul holds back changes of the output alone; here they show, but wake nobody.
            return state with { Catalog = WithQuietCheck(state.Catalog, instance, check with { Output = Output }) };
        }

        var changed = check with { Status = Status, Output = Output, StatusSince = At, ModifyIndex = change.Index };
        return state with
        {
            Catalog = instance is null
                ? state.Catalog.WithNodeCheck(state.Catalog.LocalName, changed, change)
                : state.Catalog.WithInstance(instance.WithCheck(changed), change),
        };
    }

    private static CatalogState WithQuietCheck(CatalogState catalog, InstanceRecord? instance, CheckRecord check) =>
        instance is null
            ? catalog.WithQuietNodeCheck(catalog.LocalName, check)
            : catalog.WithQuietInstance(instance.WithCheck(check));
}

/// <summary>Adds a check to an instance or, without one, to the node. A check id in use elsewhere moves.</summary>
internal sealed record RegisterCheck(CheckDefinition Definition, string ServiceId, DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var catalog = state.Catalog;
        if (ServiceId.Length > 0 && !catalog.Instances.ContainsKey(ServiceId))
        {
            throw RequestRefusedException.NotFound($"ServiceID \"{ServiceId}\" does not exist");
        }

        var before = catalog.FindCheck(Definition.CheckId, out var owner);
        if (before is not null && !string.Equals(owner?.Id ?? string.Empty, ServiceId, StringComparison.Ordinal))
        {
            catalog = CheckRemoval.Remove(catalog, catalog.LocalName, before, owner, change);
            before = null;
        }

        var check = CheckRecord.From(Definition, before, At, change.Index);
        if (ReferenceEquals(check, before))
        {
            return state;
        }

        return state with
        {
            Catalog = ServiceId.Length == 0
                ? catalog.WithNodeCheck(catalog.LocalName, check, change)
                : catalog.WithInstance(catalog.Instances[ServiceId].WithCheck(check), change),
        };
    }
}

/// <summary>Takes a check away.</summary>
internal sealed record DeregisterCheck(string CheckId) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var check = state.Catalog.FindCheck(CheckId, out var instance);
        if (check is null || CheckId == CheckRecord.NodeAliveId)
        {
            throw RequestRefusedException.NotFound(CheckTexts.Unknown(CheckId));
        }

        return state with { Catalog = CheckRemoval.Remove(state.Catalog, state.Catalog.LocalName, check, instance, change) };
    }
}

/// <summary>Puts an instance into maintenance, or ends that. Repeats change nothing; the first reason stays.</summary>
internal sealed record SetServiceMaintenance(string ServiceId, bool Enabled, string Reason, DateTimeOffset At) : StateCommand
{
    private const string NoReason =
        "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.";

    public override ServerState Apply(ServerState state, StateChange change)
    {
        if (!state.Catalog.Instances.TryGetValue(ServiceId, out var instance))
        {
            throw RequestRefusedException.NotFound($"No service registered with ID \"{ServiceId}\"");
        }

        var checkId = CheckRecord.ServiceMaintenancePrefix + ServiceId;
        var present = instance.FindCheck(checkId) is not null;
        if (present == Enabled)
        {
            return state;
        }

        var changed = Enabled
            ? instance.WithCheck(CheckRecord.Maintenance(
                checkId, "Service Maintenance Mode", Reason.Length == 0 ? NoReason : Reason, At, change.Index))
            : instance.WithoutCheck(checkId);
        return state with { Catalog = state.Catalog.WithInstance(changed, change) };
    }
}

/// <summary>Puts the server's own node into maintenance, or ends that: every instance on it is then out of use. As for an instance.</summary>
internal sealed record SetNodeMaintenance(bool Enabled, string Reason, DateTimeOffset At) : StateCommand
{
    private const string NoReason =
        "Maintenance mode is enabled for this node, but no reason was provided. This is a default message.";

    public override ServerState Apply(ServerState state, StateChange change)
    {
        var catalog = state.Catalog;
        if (catalog.NodeChecks.ContainsKey(CheckRecord.NodeMaintenanceId) == Enabled)
        {
            return state;
        }

        return state with
        {
            Catalog = Enabled
                ? catalog.WithNodeCheck(
                    catalog.LocalName,
                    CheckRecord.Maintenance(
                        CheckRecord.NodeMaintenanceId, "Node Maintenance Mode", Reason.Length == 0 ? NoReason : Reason, At, change.Index),
                    change)
                : catalog.WithoutNodeCheck(catalog.LocalName, CheckRecord.NodeMaintenanceId, change),
        };
    }
}

/// <summary>Taking a check from whoever has it.</summary>
internal static class CheckRemoval
{
    public static CatalogState Remove(CatalogState catalog, string node, CheckRecord check, InstanceRecord? owner, StateChange change) =>
        owner is null
            ? catalog.WithoutNodeCheck(node, check.CheckId, change)
            : catalog.WithInstance(owner.WithoutCheck(check.CheckId), change);
}

/// <summary>Sentences about checks, as Consul words them.</summary>
internal static class CheckTexts
{
    public static string Unknown(string checkId) =>
        $"Unknown check ID \"{checkId}\". Ensure that the check ID is passed, not the check name.";

    public static string NotTtl(string checkId) => $"CheckID \"{checkId}\" does not have associated TTL";
}
