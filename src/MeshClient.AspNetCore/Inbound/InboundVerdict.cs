using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>What has been decided about a request.</summary>
internal enum InboundOutcome : byte
{
    /// <summary>Nothing yet: whoever meets such a request must not serve it.</summary>
    Undecided,

    /// <summary>It came without a peer, and only an endpoint that is exempt may answer it; which one, routing will tell.</summary>
    OnlyExempt,

    /// <summary>It may be served.</summary>
    Permitted,

    /// <summary>It is refused.</summary>
    Denied,
}

/// <summary>A decision, and the rule that made it. The default value permits nothing.</summary>
internal readonly struct InboundVerdict
{
    /// <param name="outcome">What was decided.</param>
    /// <param name="by">The <see cref="IntentionVerdict"/> or <see cref="InboundRule"/> that decided.</param>
    /// <param name="isShadow">Whether it is permitted only because the rule is tried and not in force.</param>
    internal InboundVerdict(InboundOutcome outcome, object? by, bool isShadow) => (Outcome, By, IsShadow) = (outcome, by, isShadow);

    public InboundOutcome Outcome { get; }

    /// <summary>What decided; see the constructor.</summary>
    internal object? By { get; }

    /// <summary>Whether it would be refused if the rule were in force.</summary>
    public bool IsShadow { get; }

    public bool IsPermitted => Outcome == InboundOutcome.Permitted;

    /// <summary>The intention's id, or one of the names in <see cref="InboundRules"/>.</summary>
    public string? Rule => By switch
    {
        IntentionVerdict intention => intention.Rule,
        InboundRule rule => rule.Name,
        _ => null,
    };

    /// <summary>The same for people, in a sentence.</summary>
    public string? Reason => By switch
    {
        IntentionVerdict intention => intention.Reason,
        InboundRule rule => rule.Reason,
        _ => null,
    };

    /// <summary>Takes over what the intentions say.</summary>
    public static InboundVerdict Of(IntentionVerdict verdict) => new(
        verdict.IsAllowed ? InboundOutcome.Permitted : InboundOutcome.Denied, verdict, verdict.Outcome == IntentionOutcome.ShadowDeny);

    /// <summary>A denial by a rule that is no intention.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="isTried">Whether it is only tried.</param>
    public static InboundVerdict Denied(InboundRule rule, bool isTried) =>
        new(isTried ? InboundOutcome.Permitted : InboundOutcome.Denied, rule, isTried);
}

/// <summary>A rule that is no intention.</summary>
/// <param name="Name">Its name in answers, logs and metrics.</param>
/// <param name="Reason">What it says, in a sentence.</param>
internal sealed record InboundRule(string Name, string Reason);

/// <summary>The rules that are no intentions.</summary>
internal static class InboundRules
{
    public const string NoPeer = "no-peer";
    public const string NoIntentionsYet = "no-intentions-yet";
    public const string Exempt = "exempt";
    public const string DeadlinePassed = "deadline-passed";
    public const string NotEnforced = "not-enforced";

    public static readonly InboundVerdict WithoutPeer = Deny(
        NoPeer, "The request did not come over the mesh listener, so its caller is not known.");

    public static readonly InboundVerdict WithoutIntentions = Deny(
        NoIntentionsYet, "The intentions of this service have not been read from the control plane yet.");

    public static readonly InboundVerdict NotJudged = Deny(
        NotEnforced, "The request could not be judged again after the intentions had changed.");

    public static readonly InboundVerdict Late = Deny(
        DeadlinePassed, "The deadline of the request had passed before it was served.");

    public static readonly InboundVerdict OnlyExempt = new(
        InboundOutcome.OnlyExempt, new InboundRule(NoPeer, "The request has no peer; only an exempt endpoint may answer it."), isShadow: false);

    public static readonly InboundVerdict PermittedExempt = new(
        InboundOutcome.Permitted, new InboundRule(Exempt, "The endpoint may be called without the mesh."), isShadow: false);

    private static InboundVerdict Deny(string name, string reason) => InboundVerdict.Denied(new InboundRule(name, reason), isTried: false);
}
