using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Intentions;

/// <summary>6 000 random cases; with <c>MESHCLIENT_LONG=1</c> there are 150 000.</summary>
public sealed class IntentionEvaluatorPropertyTests
{
    private static readonly int Tests = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1" ? 150_000 : 6_000;
    private static readonly Gen<IntentionAction> Actions = Gen.Elements(IntentionAction.Allow, IntentionAction.Deny);

    // Few words, so that rules and requests meet often; the last expression of each list is none.
    private static readonly Gen<string> Paths = Gen.Elements("/", "/a", "/ab", "/a/b", "/B", "/a\n");
    private static readonly Gen<string> PathExpressions =
        Gen.Elements("/a.*", "/a|/B", ".*", "/[ab]+", "(?i)/b", "/ab?", "^/a$", "/\\a", "/ab{0}", "/a)|(.*");

    private static readonly Gen<string> Methods = Gen.Elements("GET", "PUT");
    private static readonly Gen<string> HeaderNames = Gen.Elements("x", "X", "y");
    private static readonly Gen<string> Values = Gen.Elements("", "a", "A", "ab", "ba");
    private static readonly Gen<string> ValueExpressions = Gen.Elements("a*", "A|b.", "", "(?=a)");

    private static readonly Gen<(string Name, string Value)> Headers =
        from name in HeaderNames
        from value in Values
        select (name, value);

    private static readonly Gen<string> Providers = Gen.Elements("okta", "other");
    private static readonly Gen<string> Claims = Gen.Elements("a.b=1", "a.b=2", "c=1");

    private static readonly Gen<(string Provider, string[] Claims)> Tokens =
        from provider in Providers
        from claims in UpTo(2, Claims)
        select (provider, claims.ToArray());

    private static readonly Gen<JwtRequirement?> Requirements = Gen.Frequency(
        (4, Gen.Constant<JwtRequirement?>(null)),
        (1, from providers in UpTo(2, Tokens)
            select (JwtRequirement?)new JwtRequirement([.. providers.Select(one => new JwtProviderRequirement(one.Provider, [.. one.Claims.Select(ToClaim)]))])));

    private static readonly Gen<HeaderMatch> HeaderMatches =
        from name in HeaderNames
        from kind in Gen.Elements(Enum.GetValues<HeaderMatchKind>())
        from value in kind == HeaderMatchKind.Regex ? ValueExpressions : Values
        from invert in Gen.Elements(false, true)
        from ignoreCase in Gen.Elements(false, true)
        select new HeaderMatch(name, kind, value, invert, ignoreCase);

    private static readonly Gen<IntentionPermission> Permissions =
        from action in Actions
        from pathKind in Gen.Choose(0, 3)
        from path in pathKind == 3 ? PathExpressions : Paths
        from methods in UpTo(1, Methods)
        from headers in UpTo(2, HeaderMatches)
        from jwt in Requirements
        from unsupported in Gen.Frequency((9, Gen.Constant(false)), (1, Gen.Constant(true)))
        select new IntentionPermission
        {
            Action = action,
            PathExact = pathKind == 1 ? path : null,
            PathPrefix = pathKind == 2 ? path : null,
            PathRegex = pathKind == 3 ? path : null,
            Methods = [.. methods],
            Headers = [.. headers],
            Jwt = jwt,
            HasUnsupportedRequirement = unsupported,
        };

    private static readonly Gen<Intention> Intentions =
        from source in Gen.Elements("web", "ops", "*")
        from destination in Gen.Elements("orders", "orders", "Orders", "payments", "*", "*")
        from action in Actions
        from jwt in Requirements
        from mode in Gen.Frequency((4, Gen.Constant(IntentionMode.Enforce)), (1, Gen.Constant(IntentionMode.Shadow)))
        from permissions in Gen.OneOf(Gen.Constant<IList<IntentionPermission>>([]), UpTo(3, Permissions))
        select new Intention
        {
            Id = $"{source}->{destination}",
            Source = source,
            Destination = destination,
            Action = permissions.Count == 0 ? action : null,
            Permissions = [.. permissions],
            Jwt = jwt,
            Mode = mode,
        };

    // A pair exists once in a registry, and a header once in a request.
    private static readonly Gen<Case> Cases =
        from intentions in UpTo(6, Intentions)
        from otherwise in Actions
        from source in Gen.Elements("web", "ops", "Web", "other")
        from method in Methods
        from path in Paths
        from headers in UpTo(2, Headers)
        from tokens in UpTo(2, Tokens)
        from mode in Gen.Frequency((5, Gen.Constant(IntentionMode.Enforce)), (1, Gen.Constant(IntentionMode.Shadow)))
        select new Case(
            [.. intentions.DistinctBy(intention => (intention.Source, intention.Destination.ToUpperInvariant()))],
            otherwise,
            mode,
            new NaiveCall(
                source,
                method,
                path,
                headers.DistinctBy(header => header.Name, StringComparer.OrdinalIgnoreCase)
                    .ToDictionary(header => header.Name, header => header.Value, StringComparer.OrdinalIgnoreCase),
                tokens.DistinctBy(token => token.Provider).ToDictionary(token => token.Provider, token => token.Claims)));

    [Fact]
    public void Evaluate_RandomRulesAndRequests_AgreesWithTheNaiveEvaluator()
    {
        var rules = new Dictionary<string, int>();
        var decisions = new Dictionary<IntentionOutcome, int>();
        Prop.ForAll(Arb.From(Cases), c =>
        {
            var snapshot = new IntentionSnapshot(ServiceName.Parse("orders"), EquatableArray.From(c.Intentions), null);
            var evaluator = new IntentionEvaluator(snapshot, c.Otherwise, mode: c.Mode);
            var headers = new HeaderTable(new Dictionary<string, string>(c.Call.Headers, StringComparer.OrdinalIgnoreCase));
            var passport = new PassportTable([.. c.Call.Tokens.Select(token => (token.Key, token.Value))]);

            var request = evaluator.EvaluateRequest(c.Call.Source, c.Call.Method, c.Call.Path, headers, passport);
            var connection = evaluator.EvaluateConnection(c.Call.Source);

            var expected = NaiveIntentionEvaluator.Decide(snapshot, c.Otherwise, c.Mode, c.Call, isConnection: false);
            var form = expected.Rule.Contains('#', StringComparison.Ordinal) ? "permission" : expected.Rule;
            rules[form] = rules.GetValueOrDefault(form) + 1;
            decisions[expected.Outcome] = decisions.GetValueOrDefault(expected.Outcome) + 1;
            return (request.Outcome, request.Rule) == expected
                && (connection.Outcome, connection.Rule) == NaiveIntentionEvaluator.Decide(snapshot, c.Otherwise, c.Mode, c.Call, isConnection: true)
                && Explains(evaluator.ExplainConnection(c.Call.Source), connection, c.Intentions)
                && Explains(
                    evaluator.ExplainRequest(c.Call.Source, c.Call.Method, c.Call.Path, headers, passport), request, c.Intentions);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Tests));

        // The comparison is worth something only if every kind of decision came up often.
        foreach (var form in (string[])["default", "permission", "web->orders", "*->orders", "web->*", "*->*"])
        {
            Assert.True(rules.GetValueOrDefault(form) > Tests / 300, $"{form} decided {rules.GetValueOrDefault(form)} times");
        }

        Assert.All(Enum.GetValues<IntentionOutcome>(), outcome => Assert.InRange(decisions.GetValueOrDefault(outcome), Tests / 30, Tests));
    }

    // The rule of the verdict is the last of those that decide, or would; of each, one at most does at each level; and every
    // rule to the destination is told of once.
    private static bool Explains(IntentionExplanation explanation, IntentionVerdict verdict, List<Intention> intentions)
    {
        var deciding = explanation.Rules.Where(rule => rule.Effect != RuleEffect.NotApplied).ToList();
        return ReferenceEquals(explanation.Verdict, verdict)
            && deciding.Exists(rule => rule.Rule == verdict.Rule)
            && deciding.Count(rule => rule.Effect == RuleEffect.Decides) is 1 or 2
            && deciding.Count(rule => rule.Effect == RuleEffect.WouldDecide) is 0 or 1 or 2
            && explanation.Rules.All(rule => rule.Why.Length > 0 && rule.Summary.Length > 0)
            && explanation.Rules.Count(rule => !rule.Rule.Contains('#', StringComparison.Ordinal))
                == 1 + intentions.Count(one => one.Destination is "*" || one.Destination.Equals("orders", StringComparison.OrdinalIgnoreCase));
    }

    private static JwtClaimRequirement ToClaim(string text) => new([.. text[..^2].Split('.')], text[^1..]);

    private static Gen<IList<T>> UpTo<T>(int most, Gen<T> items) =>
        Gen.Choose(0, most).SelectMany(count => items.ListOf(count)).Select(list => (IList<T>)[.. list]);

    private sealed record Case(List<Intention> Intentions, IntentionAction Otherwise, IntentionMode Mode, NaiveCall Call);
}
