namespace MeshClient.Core.Intentions;

/// <summary>A decision with all that was weighed for it.</summary>
/// <param name="Source">The calling service.</param>
/// <param name="Destination">The called service.</param>
/// <param name="Verdict">The decision, the same the evaluator makes for the call itself.</param>
/// <param name="Rules">
/// Every intention to the destination, best precedence first, each followed by its permissions where it was looked into; the
/// default last.
/// </param>
public sealed record IntentionExplanation(
    string Source, string Destination, IntentionVerdict Verdict, EquatableArray<WeighedRule> Rules);

/// <summary>What a rule did for a decision.</summary>
public enum RuleEffect
{
    /// <summary>Nothing.</summary>
    NotApplied,

    /// <summary>It decides what becomes of the call, or hands that to one of its permissions or to the default.</summary>
    Decides,

    /// <summary>It is in shadow mode, and would decide if it were in force.</summary>
    WouldDecide,
}

/// <summary>A rule, and what it did for a decision.</summary>
/// <param name="Rule">The rule as verdicts name it (<see cref="IntentionVerdict.Rule"/>).</param>
/// <param name="Summary">What it says, in a few words.</param>
/// <param name="Effect">What it did.</param>
/// <param name="Why">Why, in a sentence.</param>
public sealed record WeighedRule(string Rule, string Summary, RuleEffect Effect, string Why);
