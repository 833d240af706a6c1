using System.Collections.Immutable;
using MeshClient.Server.State;

namespace MeshClient.Server.Transactions;

/// <summary>A step that failed.</summary>
internal sealed record TransactionError(int Step, string Problem);

/// <summary>Takes all of its steps, or none when one fails.</summary>
internal sealed record Transaction(ImmutableArray<TransactionStep> Steps, long Timestamp) : StateCommand
{
    /// <summary>What the steps had to show, once it has been applied.</summary>
    public IReadOnlyList<TransactionResult> Results { get; private set; } = [];

    /// <summary>Which steps failed; none when it has happened.</summary>
    public IReadOnlyList<TransactionError> Errors { get; private set; } = [];

    public bool IsRead => Steps.All(step => step.IsRead);

    public override ServerState Apply(ServerState state, StateChange change)
    {
        // The steps record into a change of their own, which is given up with them.
        var own = new StateChange(change.Index);
        var results = new List<TransactionResult>();
        var errors = new List<TransactionError>();
        var after = state;
        for (var i = 0; i < Steps.Length; i++)
        {
            try
            {
                after = Steps[i].Apply(after, results, Timestamp, own);
            }
            catch (RequestRefusedException e)
            {
                errors.Add(new TransactionError(i, e.Message));
            }
        }

        (Results, Errors) = (results, errors);
        if (errors.Count > 0 || own.Rows.Count == 0)
        {
            return state;
        }

        change.Take(own);
        return after;
    }

    public override string ToString() => $"transaction of {Steps.Length}";
}
