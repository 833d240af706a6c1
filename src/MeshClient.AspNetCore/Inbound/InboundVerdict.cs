using MeshClient.Core.Intentions;

namespace MeshClient.AspNetCore.Inbound;

/// <summary>What has been decided about a request.</summary>
internal enum InboundOutcome
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
/// <param name="Outcome">What was decided.</param>
/// <param name="Rule">The intention's id, or one of the names in <see cref="InboundRules"/>.</param>
/// <param name="Reason">The same for people, in a sentence.</param>
internal readonly record struct InboundVerdict(InboundOutcome Outcome, string? Rule, string? Reason)
{
    public bool IsPermitted => Outcome == InboundOutcome.Permitted;

    public static InboundVerdict Of(IntentionVerdict verdict) =>
        new(verdict.IsAllowed ? InboundOutcome.Permitted : InboundOutcome.Denied, verdict.Rule, verdict.Reason);
}

/// <summary>Names of rules that are not intentions, as they stand in answers, logs and metrics.</summary>
internal static class InboundRules
{
    public const string NoPeer = "no-peer";
    public const string NoIntentionsYet = "no-intentions-yet";
    public const string Exempt = "exempt";
    public const string DeadlinePassed = "deadline-passed";
    public const string NotEnforced = "not-enforced";

    public static readonly InboundVerdict WithoutPeer = new(
        InboundOutcome.Denied, NoPeer, "The request did not come over the mesh listener, so its caller is not known.");

    public static readonly InboundVerdict WithoutIntentions = new(
        InboundOutcome.Denied, NoIntentionsYet, "The intentions of this service have not been read from the control plane yet.");

    public static readonly InboundVerdict Late = new(
        InboundOutcome.Denied, DeadlinePassed, "The deadline of the request had passed before it was served.");

    public static readonly InboundVerdict OnlyExempt = new(
        InboundOutcome.OnlyExempt, NoPeer, "The request has no peer; only an exempt endpoint may answer it.");

    public static readonly InboundVerdict PermittedExempt = new(
        InboundOutcome.Permitted, Exempt, "The endpoint may be called without the mesh.");
}
