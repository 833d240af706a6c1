using MeshClient.Server.Catalog;
using MeshClient.Server.HealthChecks;
using MeshClient.Server.KeyValues;
using MeshClient.Server.State;

namespace MeshClient.Server.Transactions;

/// <summary>One step of a transaction.</summary>
internal abstract record TransactionStep
{
    /// <summary>Whether it changes nothing whatever happens.</summary>
    public abstract bool IsRead { get; }

    /// <summary>Takes the step.</summary>
    /// <param name="state">The state after the steps before.</param>
    /// <param name="results">Takes what it has to show.</param>
    /// <param name="timestamp">Now, for the delays of locks.</param>
    /// <param name="change">The change of the whole transaction.</param>
    /// <exception cref="RequestRefusedException">It cannot be taken; the sentence says why.</exception>
    public abstract ServerState Apply(ServerState state, List<TransactionResult> results, long timestamp, StateChange change);

    protected static RequestRefusedException Failed(string problem) => RequestRefusedException.Invalid(problem);
}

/// <summary>What a step has to show.</summary>
internal abstract record TransactionResult;

/// <summary>A key, with its value when that was asked for.</summary>
internal sealed record KeyResult(KeyEntry Entry, bool WithValue) : TransactionResult;

/// <summary>Something of the catalog.</summary>
/// <param name="ModifyIndex">When it was changed last; what a step with a condition compares.</param>
internal abstract record CatalogResult(ulong ModifyIndex) : TransactionResult;

/// <summary>A node.</summary>
internal sealed record NodeResult(NodeRecord Node) : CatalogResult(Node.ModifyIndex);

/// <summary>An instance of a service.</summary>
internal sealed record ServiceResult(InstanceRecord Instance) : CatalogResult(Instance.ModifyIndex);

/// <summary>A check and what it is of; no instance: the node.</summary>
internal sealed record CheckResult(NodeRecord Node, InstanceRecord? Instance, CheckRecord Check) : CatalogResult(Check.ModifyIndex);
