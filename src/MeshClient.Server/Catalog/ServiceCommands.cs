using System.Collections.Immutable;
using MeshClient.Core;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.State;

namespace MeshClient.Server.Catalog;

/// <summary>Registers an instance, or replaces the registration with its id, also under another name.</summary>
/// <param name="Definition">The instance.</param>
/// <param name="Checks">Its checks. A check it already has keeps what it says.</param>
/// <param name="ReplaceChecks">Whether checks that are not named go away; the maintenance check stays all the same.</param>
/// <param name="At">When.</param>
internal sealed record RegisterService(
    ServiceDefinition Definition, EquatableArray<CheckDefinition> Checks, bool ReplaceChecks, DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change)
    {
        var catalog = state.Catalog;
        var before = catalog.Instances.GetValueOrDefault(Definition.Id);
        var instance = before is null
            ? new InstanceRecord(catalog.LocalName, Definition, [], change.Index, change.Index)
            : before.Definition == Definition ? before : before with { Definition = Definition, ModifyIndex = change.Index };

        if (ReplaceChecks && instance.Checks.Any(IsLeftOut))
        {
            instance = instance with { Checks = instance.Checks.RemoveAll(IsLeftOut) };
        }

        foreach (var definition in Checks)
        {
            var check = catalog.FindCheck(definition.CheckId, out var owner);
            if (check is not null && owner?.Id != Definition.Id)
            {
                catalog = CheckRemoval.Remove(catalog, catalog.LocalName, check, owner, change);
            }

            var own = instance.FindCheck(definition.CheckId);
            var next = CheckRecord.From(definition, own, At, change.Index);
            if (!ReferenceEquals(next, own))
            {
                instance = instance.WithCheck(next);
            }
        }

        return ReferenceEquals(instance, before) ? state : state with { Catalog = catalog.WithInstance(instance, change) };
    }

    private bool IsLeftOut(CheckRecord check)
    {
        if (check.Type == CheckRecord.MaintenanceType)
        {
            return false;
        }

        foreach (var definition in Checks)
        {
            if (string.Equals(definition.CheckId, check.CheckId, StringComparison.Ordinal))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>Takes an instance out, with its checks.</summary>
internal sealed record DeregisterService(string ServiceId) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state.Catalog.Instances.TryGetValue(ServiceId, out var instance)
            ? state with { Catalog = state.Catalog.WithoutInstanceAndSidecar(instance, change) }
            : throw RequestRefusedException.NotFound(
                $"Unknown service ID \"{ServiceId}\". Ensure that the service ID is passed, not the service name.");
}

/// <summary>
/// Takes an instance out if one of its checks has been critical for longer than it allows at the given moment; a beat that
/// came in between saves it.
/// </summary>
internal sealed record DeregisterIfCritical(string ServiceId, DateTimeOffset At) : StateCommand
{
    public override ServerState Apply(ServerState state, StateChange change) =>
        state.Catalog.Instances.TryGetValue(ServiceId, out var instance) && IsDue(instance.Checks, At)
            ? state with { Catalog = state.Catalog.WithoutInstanceAndSidecar(instance, change) }
            : state;

    public static bool IsDue(ImmutableArray<CheckRecord> checks, DateTimeOffset now)
    {
        foreach (var check in checks)
        {
            if (check is { Status: CheckStatus.Critical, DeregisterAfter: { } limit } && now - check.StatusSince >= limit)
            {
                return true;
            }
        }

        return false;
    }
}
