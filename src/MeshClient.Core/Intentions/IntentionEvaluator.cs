using System.Collections.Frozen;

namespace MeshClient.Core.Intentions;

/// <summary>
/// Decides whether a service may call another. Built once when the intentions change, then immutable; a decision takes no
/// lock, and no memory unless the request is an odd one.
/// </summary>
/// <remarks>
/// The rule is Consul's: of the intentions to this destination that name the caller, or any caller, the one with the
/// highest <see cref="Intention.Precedence"/> decides alone; the others are not looked at. If it asks for tokens
/// (<see cref="Intention.Jwt"/>), a request without them is denied. If it has permissions, the first one that matches the
/// request decides, and when none does, the default action. Without a request to look at (a raw connection), an intention that
/// has permissions or asks for tokens denies.
/// An intention in shadow mode is left out of that. Only where it would decide if it were in force, and would refuse what is
/// allowed without it, the verdict is <see cref="IntentionOutcome.ShadowDeny"/>: the call goes on, and who reads the verdict
/// reports it. What is refused without it stays refused, so one that allows opens nothing as long as it is only tried.
/// In global shadow mode every refusal becomes such a verdict.
/// A permission whose expression does not compile is treated so that nothing opens: see
/// <see cref="IntentionPermission.HasUnsupportedRequirement"/>.
/// A header that came in several lines is compared as one value, joined by commas, as Envoy does. Since a receiver may read
/// only one of them, a denying permission also matches when a line alone is what it denies, and an allowing one that wants a
/// header not to be something does not match when a line alone is that.
/// </remarks>
public sealed class IntentionEvaluator
{
    private readonly FrozenDictionary<string, Ruling> _bySource;
    private readonly Ruling _anySource;
    private readonly IntentionVerdict _default;
    private readonly string _destination;
    private readonly CompiledIntention[] _intentions;
    private readonly IntentionMode _mode;

    /// <summary>Compiles the intentions.</summary>
    /// <param name="snapshot">The intentions of one destination.</param>
    /// <param name="defaultAction">What to do when none matches.</param>
    /// <param name="looseDenials">
    /// Whether a denying permission takes a path without case, with or without a slash at its end and with runs of slashes as one
    /// (on Windows also backslashes as slashes), for a receiver whose routing or file system does: there <c>/ADMIN/</c> and
    /// <c>//admin</c> lead where <c>/admin</c> leads, and a rule against one that let the others pass would protect nothing.
    /// Allowing permissions stay exact. Default: false, as Consul and Envoy do.
    /// </param>
    /// <param name="mode">
    /// <see cref="IntentionMode.Shadow"/> to refuse nothing and report all that would be refused, the default action's refusals
    /// included. Default: the intentions are in force.
    /// </param>
    public IntentionEvaluator(
        IntentionSnapshot snapshot,
        IntentionAction defaultAction,
        bool looseDenials = false,
        IntentionMode mode = IntentionMode.Enforce)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        _destination = snapshot.Destination.Value;
        _mode = mode;
        _default = new IntentionVerdict(
            defaultAction,
            IntentionVerdict.DefaultRule,
            $"No intention matches; the default is to {CompiledIntention.Verb(defaultAction)}.");
        _intentions =
        [
            .. snapshot.Intentions
                .Where(intention => intention.Destination == Intention.Wildcard
                    || string.Equals(intention.Destination, _destination, StringComparison.OrdinalIgnoreCase))
                .OrderByDescending(intention => intention.Precedence)
                .ThenByDescending(Strictness)
                .ThenBy(intention => intention.Id, StringComparer.Ordinal)
                .Select(intention => new CompiledIntention(intention, _default, looseDenials)),
        ];
        var ofAny = _intentions.Where(one => one.Rule.Source == Intention.Wildcard).ToList();
        var any = (InForce: ofAny.Find(IsInForce), First: ofAny.FirstOrDefault());
        _anySource = Ruling.Of(any.InForce, any.First);
        _bySource = _intentions
            .Where(one => one.Rule.Source != Intention.Wildcard)
            .GroupBy(one => one.Rule.Source, StringComparer.Ordinal)
            .ToFrozenDictionary(
                group => group.Key,
                group => Ruling.Of(Higher(group.FirstOrDefault(IsInForce), any.InForce), Higher(group.First(), any.First)),
                StringComparer.Ordinal);
    }

    /// <summary>Decides on a raw connection.</summary>
    /// <param name="source">The calling service's name.</param>
    public IntentionVerdict EvaluateConnection(string source)
    {
        var ruling = Find(source);
        var verdict = ruling.InForce?.Connection ?? _default;
        return InMode(verdict.IsAllowed && ruling.Tried?.Connection is { IsAllowed: false } tried ? tried.InShadow : verdict);
    }

    /// <summary>Decides on a request that carries no tokens.</summary>
    /// <param name="source">The calling service's name.</param>
    /// <param name="method">The request's method; compared without case.</param>
    /// <param name="path">The request's path as the app will see it, with its leading slash and without the query.</param>
    /// <param name="headers">The request's headers.</param>
    public IntentionVerdict EvaluateRequest<THeaders>(string source, string method, string path, in THeaders headers)
        where THeaders : IHeaderLookup =>
        EvaluateRequest(source, method, path, headers, default(NoPassport));

    /// <summary>Decides on a request.</summary>
    /// <param name="source">The calling service's name.</param>
    /// <param name="method">The request's method; compared without case.</param>
    /// <param name="path">The request's path as the app will see it, with its leading slash and without the query.</param>
    /// <param name="headers">The request's headers.</param>
    /// <param name="passport">The request's verified tokens.</param>
    public IntentionVerdict EvaluateRequest<THeaders, TPassport>(
        string source, string method, string path, in THeaders headers, in TPassport passport)
        where THeaders : IHeaderLookup
        where TPassport : IPassportLookup
    {
        var ruling = Find(source);
        var verdict = ruling.InForce?.Evaluate(method, path, headers, passport) ?? _default;
        return InMode(verdict.IsAllowed && ruling.Tried?.Evaluate(method, path, headers, passport) is { IsAllowed: false } tried
            ? tried.InShadow
            : verdict);
    }

    /// <summary>Decides on a raw connection, and tells what each rule did. For people: not made to be fast.</summary>
    /// <param name="source">The calling service's name.</param>
    public IntentionExplanation ExplainConnection(string source)
    {
        var ruling = Find(source);
        return Explain(
            source, ruling, EvaluateConnection(source), ruling.InForce?.Connection, ruling.Tried?.Connection, (_, _, _) => []);
    }

    /// <summary>Decides on a request, and tells what each rule did. For people: not made to be fast.</summary>
    /// <param name="source">The calling service's name.</param>
    /// <param name="method">The request's method; compared without case.</param>
    /// <param name="path">The request's path as the app will see it, with its leading slash and without the query.</param>
    /// <param name="headers">The request's headers.</param>
    /// <param name="passport">The request's verified tokens.</param>
    public IntentionExplanation ExplainRequest<THeaders, TPassport>(
        string source, string method, string path, THeaders headers, TPassport passport)
        where THeaders : IHeaderLookup
        where TPassport : IPassportLookup
    {
        var ruling = Find(source);
        return Explain(
            source,
            ruling,
            EvaluateRequest(source, method, path, headers, passport),
            ruling.InForce?.Evaluate(method, path, headers, passport),
            ruling.Tried?.Evaluate(method, path, headers, passport),
            (intention, verdict, effect) => intention.Weigh(verdict, effect, method, path, headers, passport));
    }

    // Two rules of one rank for one pair cannot be made in a registry that works; if they meet, the stricter one holds.
    private static int Strictness(Intention intention) =>
        CompiledIntention.Denies(intention) ? 2
        : intention.Permissions.Count > 0 || intention.Jwt is not null ? 1
        : 0;

    private Ruling Find(string source) => _bySource.TryGetValue(source, out var ruling) ? ruling : _anySource;

    private static bool IsInForce(CompiledIntention intention) => intention.Rule.Mode == IntentionMode.Enforce;

    // A rule for any caller may outrank one for this caller: to orders from anyone (8) beats to anyone from web (6).
    private static CompiledIntention? Higher(CompiledIntention? ofSource, CompiledIntention? ofAny) =>
        ofSource is null || ofAny?.Rule.Precedence > ofSource.Rule.Precedence ? ofAny : ofSource;

    private IntentionVerdict InMode(IntentionVerdict verdict) => _mode == IntentionMode.Shadow ? verdict.InShadow : verdict;

    private IntentionExplanation Explain(
        string source,
        Ruling ruling,
        IntentionVerdict verdict,
        IntentionVerdict? inForce,
        IntentionVerdict? tried,
        Func<CompiledIntention, IntentionVerdict, RuleEffect, IEnumerable<WeighedRule>> weighPermissions)
    {
        var rules = new List<WeighedRule>();
        foreach (var intention in _intentions)
        {
            var isInForce = ReferenceEquals(intention, ruling.InForce);
            if (isInForce || ReferenceEquals(intention, ruling.Tried))
            {
                var (said, effect) = isInForce ? (inForce!, RuleEffect.Decides) : (tried!, RuleEffect.WouldDecide);
                rules.Add(new WeighedRule(intention.Rule.Id, intention.Summary, effect, said.Reason));
                rules.AddRange(weighPermissions(intention, said, effect));
                continue;
            }

            rules.Add(new WeighedRule(
                intention.Rule.Id, intention.Summary, RuleEffect.NotApplied, WhyNot(source, intention, ruling)));
        }

        rules.Add(WeighDefault(inForce, tried));
        return new IntentionExplanation(source, _destination, verdict, EquatableArray.From(rules));
    }

    private static string WhyNot(string source, CompiledIntention intention, Ruling ruling)
    {
        if (intention.Rule.Source != source && intention.Rule.Source != Intention.Wildcard)
        {
            return $"It is about calls of {intention.Rule.Source}.";
        }

        var winner = ruling.Tried is { } tried && (intention.Rule.Mode == IntentionMode.Shadow || ruling.InForce is null) ? tried : ruling.InForce!;
        return winner.Rule.Precedence > intention.Rule.Precedence
            ? $"{winner.Name} (precedence {winner.Rule.Precedence}) outranks it."
            : $"{winner.Name} has the same precedence and is stricter.";
    }

    private WeighedRule WeighDefault(IntentionVerdict? inForce, IntentionVerdict? tried)
    {
        var verb = CompiledIntention.Verb(_default.Action);
        var (effect, why) =
            inForce is null ? (RuleEffect.Decides, "No intention in force matches.")
            : inForce.Rule == IntentionVerdict.DefaultRule ? (RuleEffect.Decides, inForce.Reason)
            : tried?.Rule == IntentionVerdict.DefaultRule ? (RuleEffect.WouldDecide, tried.Reason)
            : (RuleEffect.NotApplied, "An intention decides.");
        return new WeighedRule(IntentionVerdict.DefaultRule, verb, effect, why);
    }

    /// <summary>What decides about a caller.</summary>
    /// <param name="InForce">The intention that does; null: the default action.</param>
    /// <param name="Tried">The one in shadow mode that would if it were in force; null: none.</param>
    private sealed record Ruling(CompiledIntention? InForce, CompiledIntention? Tried)
    {
        public static Ruling Of(CompiledIntention? inForce, CompiledIntention? first) =>
            new(inForce, first is { Rule.Mode: IntentionMode.Shadow } ? first : null);
    }
}
