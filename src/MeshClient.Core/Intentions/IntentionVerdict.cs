namespace MeshClient.Core.Intentions;

/// <summary>What becomes of a call.</summary>
public enum IntentionOutcome
{
    /// <summary>It is refused.</summary>
    Deny,

    /// <summary>It may go on.</summary>
    Allow,

    /// <summary>It may go on, but would be refused if what is only tried were in force (<see cref="IntentionMode.Shadow"/>).</summary>
    ShadowDeny,
}

/// <summary>A decision, and the rule that made it. Made beforehand, once for each rule.</summary>
public sealed class IntentionVerdict
{
    /// <summary>The rule named when no intention matched.</summary>
    public const string DefaultRule = "default";

    internal IntentionVerdict(IntentionAction action, string rule, string reason)
    {
        Outcome = action == IntentionAction.Allow ? IntentionOutcome.Allow : IntentionOutcome.Deny;
        Rule = rule;
        Reason = reason;
        InShadow = action == IntentionAction.Allow ? this : new IntentionVerdict(this);
    }

    private IntentionVerdict(IntentionVerdict denial)
    {
        Outcome = IntentionOutcome.ShadowDeny;
        Rule = denial.Rule;
        Reason = $"In force, this would refuse the call: {denial.Reason}";
        InShadow = this;
    }

    /// <summary>What becomes of the call.</summary>
    public IntentionOutcome Outcome { get; }

    /// <summary>What the rule says; a <see cref="IntentionOutcome.ShadowDeny"/> says <see cref="IntentionAction.Deny"/>.</summary>
    public IntentionAction Action => Outcome == IntentionOutcome.Allow ? IntentionAction.Allow : IntentionAction.Deny;

    /// <summary>Whether the call may go on, in shadow or not.</summary>
    public bool IsAllowed => Outcome != IntentionOutcome.Deny;

    /// <summary>
    /// The id of the intention that decided, with <c>#n</c> for its n-th permission (from 1), or <see cref="DefaultRule"/>. Of a
    /// <see cref="IntentionOutcome.ShadowDeny"/>, the one that would refuse.
    /// </summary>
    public string Rule { get; }

    /// <summary>The same for people, in a sentence.</summary>
    public string Reason { get; }

    /// <summary>The same with the call going on.</summary>
    internal IntentionVerdict InShadow { get; }
}
