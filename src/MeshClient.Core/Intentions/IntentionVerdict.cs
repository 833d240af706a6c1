namespace MeshClient.Core.Intentions;

/// <summary>A decision, and the rule that made it.</summary>
public sealed class IntentionVerdict
{
    /// <summary>The rule named when no intention matched.</summary>
    public const string DefaultRule = "default";

    internal IntentionVerdict(IntentionAction action, string rule, string reason)
    {
        Action = action;
        Rule = rule;
        Reason = reason;
    }

    /// <summary>What was decided.</summary>
    public IntentionAction Action { get; }

    /// <summary>Whether the call may go on.</summary>
    public bool IsAllowed => Action == IntentionAction.Allow;

    /// <summary>
    /// The id of the intention that decided, with <c>#n</c> for its n-th permission (from 1), or <see cref="DefaultRule"/>.
    /// </summary>
    public string Rule { get; }

    /// <summary>The same for people, in a sentence.</summary>
    public string Reason { get; }
}
