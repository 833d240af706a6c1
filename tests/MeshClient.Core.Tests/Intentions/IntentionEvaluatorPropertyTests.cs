using FsCheck;
using FsCheck.Fluent;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Intentions;

public sealed class IntentionEvaluatorPropertyTests
{
    private static readonly Gen<IntentionAction> Actions = Gen.Elements(IntentionAction.Allow, IntentionAction.Deny);

    // Few words, so that rules and requests meet often; the last expression of each list is none.
    private static readonly Gen<string> Paths = Gen.Elements("/", "/a", "/ab", "/a/b", "/B", "/a\n");
    private static readonly Gen<string> PathExpressions = Gen.Elements("/a.*", "/a|/B", ".*", "/[ab]+", "(?i)/b", "/a)|(.*");
    private static readonly Gen<string> Methods = Gen.Elements("GET", "PUT");
    private static readonly Gen<string> HeaderNames = Gen.Elements("x", "X", "y");
    private static readonly Gen<string> Values = Gen.Elements("", "a", "A", "ab", "ba");
    private static readonly Gen<string> ValueExpressions = Gen.Elements("a*", "A|b.", "", "(?=a)");

    private static readonly Gen<(string Name, string Value)> Headers =
        from name in HeaderNames
        from value in Values
        select (name, value);

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
        from unsupported in Gen.Frequency((9, Gen.Constant(false)), (1, Gen.Constant(true)))
        select new IntentionPermission
        {
            Action = action,
            PathExact = pathKind == 1 ? path : null,
            PathPrefix = pathKind == 2 ? path : null,
            PathRegex = pathKind == 3 ? path : null,
            Methods = [.. methods],
            Headers = [.. headers],
            HasUnsupportedRequirement = unsupported,
        };

    private static readonly Gen<Intention> Intentions =
        from source in Gen.Elements("web", "ops", "*")
        from destination in Gen.Elements("orders", "orders", "Orders", "payments", "*")
        from action in Actions
        from permissions in Gen.OneOf(Gen.Constant<IList<IntentionPermission>>([]), UpTo(3, Permissions))
        select new Intention
        {
            Id = $"{source}->{destination}",
            Source = source,
            Destination = destination,
            Action = permissions.Count == 0 ? action : null,
            Permissions = [.. permissions],
        };

    // A pair exists once in a registry, and a header once in a request.
    private static readonly Gen<Case> Cases =
        from intentions in UpTo(6, Intentions)
        from otherwise in Actions
        from source in Gen.Elements("web", "ops", "Web", "other")
        from method in Methods
        from path in Paths
        from headers in UpTo(2, Headers)
        select new Case(
            [.. intentions.DistinctBy(intention => (intention.Source, intention.Destination.ToUpperInvariant()))],
            otherwise,
            source,
            method,
            path,
            headers.DistinctBy(header => header.Name, StringComparer.OrdinalIgnoreCase)
                .ToDictionary(header => header.Name, header => header.Value, StringComparer.OrdinalIgnoreCase));

    [Fact]
    public void Evaluate_RandomRulesAndRequests_AgreesWithTheNaiveEvaluator()
    {
        var rules = new Dictionary<string, int>();
        var decisions = new Dictionary<IntentionAction, int>();
        Prop.ForAll(Arb.From(Cases), c =>
        {
            var snapshot = new IntentionSnapshot(ServiceName.Parse("orders"), EquatableArray.From(c.Intentions), null);
            var evaluator = new IntentionEvaluator(snapshot, c.Otherwise);

            var request = evaluator.EvaluateRequest(c.Source, c.Method, c.Path, new HeaderTable(c.Headers));
            var connection = evaluator.EvaluateConnection(c.Source);

            var expected = NaiveIntentionEvaluator.DecideRequest(snapshot, c.Otherwise, c.Source, c.Method, c.Path, c.Headers);
            var form = expected.Rule.Contains('#', StringComparison.Ordinal) ? "permission" : expected.Rule;
            rules[form] = rules.GetValueOrDefault(form) + 1;
            decisions[expected.Action] = decisions.GetValueOrDefault(expected.Action) + 1;
            return (request.Action, request.Rule) == expected
                && (connection.Action, connection.Rule) == NaiveIntentionEvaluator.DecideConnection(snapshot, c.Otherwise, c.Source);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(30_000));

        // The comparison is worth something only if every kind of decision came up often.
        foreach (var form in (string[])["default", "permission", "web->orders", "*->orders", "web->*", "*->*"])
        {
            Assert.True(rules.GetValueOrDefault(form) > 200, $"{form} decided {rules.GetValueOrDefault(form)} times");
        }

        Assert.All(decisions.Values, count => Assert.True(count > 5_000));
        Assert.Equal(2, decisions.Count);
    }

    private static Gen<IList<T>> UpTo<T>(int most, Gen<T> items) =>
        Gen.Choose(0, most).SelectMany(count => items.ListOf(count)).Select(list => (IList<T>)[.. list]);

    private sealed record Case(
        List<Intention> Intentions,
        IntentionAction Otherwise,
        string Source,
        string Method,
        string Path,
        Dictionary<string, string> Headers);
}
