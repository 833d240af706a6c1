using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Intentions;

public sealed class IntentionEvaluatorTests
{
    private const IntentionAction Allow = IntentionAction.Allow;
    private const IntentionAction Deny = IntentionAction.Deny;

    public static TheoryData<IntentionAction> BothActions => [Allow, Deny];

    [Theory]
    [InlineData("web", "orders", 9)]
    [InlineData("*", "orders", 8)]
    [InlineData("web", "*", 6)]
    [InlineData("*", "*", 5)]
    public void Precedence_EachPair_IsConsuls(string source, string destination, int precedence) =>
        Assert.Equal(precedence, Rule(source, destination, Allow).Precedence);

    // Every rule form, allowing where the default denies and the other way round.
    [Theory]
    [InlineData("web", "orders")]
    [InlineData("*", "orders")]
    [InlineData("web", "*")]
    [InlineData("*", "*")]
    public void Evaluate_OneMatchingRule_DecidesAgainstTheDefault(string source, string destination)
    {
        foreach (var (action, otherwise) in ((IntentionAction, IntentionAction)[])[(Allow, Deny), (Deny, Allow)])
        {
            var evaluator = Evaluator(otherwise, Rule(source, destination, action));

            Assert.Equal(action, evaluator.EvaluateConnection("web").Action);
            Assert.Equal(action, evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.None).Action);
            Assert.Equal($"{source}->{destination}", evaluator.EvaluateConnection("web").Rule);
            Assert.Contains($"{source} => {destination}", evaluator.EvaluateConnection("web").Reason, StringComparison.Ordinal);
            Assert.Equal(action == Allow, evaluator.EvaluateConnection("web").IsAllowed);
        }
    }

    [Theory]
    [MemberData(nameof(BothActions))]
    public void Evaluate_NoMatchingRule_IsTheDefault(IntentionAction otherwise)
    {
        var opposite = otherwise == Allow ? Deny : Allow;
        var evaluator = Evaluator(otherwise, Rule("web", "payments", opposite), Rule("ops", "orders", opposite), Rule("*", "payments", opposite));

        Assert.Equal(otherwise, evaluator.EvaluateConnection("web").Action);
        Assert.Equal(IntentionVerdict.DefaultRule, evaluator.EvaluateConnection("web").Rule);
        Assert.Equal(otherwise, evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.None).Action);
    }

    // The higher line beats the lower one, whatever they say and in whatever order they come.
    [Theory]
    [InlineData("web", "orders", "*", "orders")]
    [InlineData("web", "orders", "web", "*")]
    [InlineData("web", "orders", "*", "*")]
    [InlineData("*", "orders", "web", "*")]
    [InlineData("*", "orders", "*", "*")]
    [InlineData("web", "*", "*", "*")]
    public void Evaluate_TwoMatchingRules_TheHigherDecides(string source, string destination, string lowSource, string lowDestination)
    {
        foreach (var (high, low) in ((IntentionAction, IntentionAction)[])[(Allow, Deny), (Deny, Allow)])
        {
            Intention[] rules = [Rule(source, destination, high), Rule(lowSource, lowDestination, low)];

            Assert.Equal(high, Evaluator(low, rules).EvaluateConnection("web").Action);
            Array.Reverse(rules);
            Assert.Equal(high, Evaluator(low, rules).EvaluateConnection("web").Action);
        }
    }

    [Theory]
    [InlineData("Web")]
    [InlineData("WEB")]
    [InlineData("we")]
    [InlineData("webb")]
    [InlineData("")]
    [InlineData("*")]
    public void Evaluate_SourceOfOtherSpelling_IsAnotherSource(string source)
    {
        Assert.False(Evaluator(Deny, Rule("web", "orders", Allow)).EvaluateConnection(source).IsAllowed);
        Assert.True(Evaluator(Allow, Rule("web", "orders", Deny)).EvaluateConnection(source).IsAllowed);
    }

    [Fact]
    public void Evaluate_DestinationOfOtherCase_IsTheSame()
    {
        Assert.True(Evaluator(Deny, Rule("web", "Orders", Allow)).EvaluateConnection("web").IsAllowed);
        Assert.False(Evaluator(Allow, Rule("web", "Orders", Deny)).EvaluateConnection("web").IsAllowed);
    }

    [Theory]
    [MemberData(nameof(BothActions))]
    public void EvaluateConnection_RuleWithPermissions_Denies(IntentionAction otherwise)
    {
        var evaluator = Evaluator(otherwise, Rule("web", "orders", new IntentionPermission { Action = Allow }), Rule("*", "*", Allow));

        var verdict = evaluator.EvaluateConnection("web");

        Assert.False(verdict.IsAllowed);
        Assert.Equal("web->orders", verdict.Rule);
        Assert.True(evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.None).IsAllowed);
    }

    [Fact]
    public void EvaluateRequest_SeveralPermissions_TheFirstThatMatchesDecides()
    {
        var evaluator = Evaluator(
            Allow,
            Rule(
                "web",
                "orders",
                new IntentionPermission { Action = Deny, PathPrefix = "/admin" },
                new IntentionPermission { Action = Allow, PathPrefix = "/adm" },
                new IntentionPermission { Action = Deny }));

        Assert.Equal((Deny, "web->orders#1"), Decide(evaluator, "/admin/x"));
        Assert.Equal((Allow, "web->orders#2"), Decide(evaluator, "/admit"));
        Assert.Equal((Deny, "web->orders#3"), Decide(evaluator, "/x"));
    }

    [Theory]
    [MemberData(nameof(BothActions))]
    public void EvaluateRequest_NoPermissionMatches_IsTheDefaultAndNotTheNextRule(IntentionAction otherwise)
    {
        var opposite = otherwise == Allow ? Deny : Allow;
        var evaluator = Evaluator(
            otherwise,
            Rule("web", "orders", new IntentionPermission { Action = opposite, PathExact = "/x" }),
            Rule("*", "orders", opposite),
            Rule("*", "*", opposite));

        var verdict = evaluator.EvaluateRequest("web", "GET", "/y", HeaderTable.None);

        Assert.Equal((otherwise, IntentionVerdict.DefaultRule), (verdict.Action, verdict.Rule));
        Assert.Contains("web => orders", verdict.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/a", null, null, "/a", true)]
    [InlineData("/a", null, null, "/A", false)]
    [InlineData("/a", null, null, "/a/", false)]
    [InlineData("/a", null, null, "/ab", false)]
    [InlineData("", null, null, "/", false)]
    [InlineData(null, "/a", null, "/a", true)]
    [InlineData(null, "/a", null, "/abc", true)]
    [InlineData(null, "/a", null, "/x/a", false)]
    [InlineData(null, "/a", null, "/A", false)]
    [InlineData(null, null, "/a|/b", "/a", true)]
    [InlineData(null, null, "/a|/b", "/b", true)]
    [InlineData(null, null, "/a|/b", "/ab", false)]
    [InlineData(null, null, "/a|/b", "/x/b", false)]
    [InlineData(null, null, "/items/[0-9]+", "/items/12", true)]
    [InlineData(null, null, "/items/[0-9]+", "/items/12x", false)]
    [InlineData(null, null, "/items/[0-9]+", "/x/items/12", false)]
    [InlineData(null, null, "/items/[0-9]+", "/items/12\n", false)]
    [InlineData(null, null, "/items/[0-9]+$", "/items/12\n", false)]
    [InlineData(null, null, "/A", "/a", false)]
    [InlineData(null, null, "(?i)/A", "/a", true)]
    [InlineData(null, null, "/admin/.*", "/admin/a\nb", true)]
    [InlineData(null, null, "(?m)^/a$", "/x\n/a", false)]
    [InlineData(null, null, null, "/anything", true)]
    public void EvaluateRequest_PathRule_MatchesBothWays(string? exact, string? prefix, string? regex, string path, bool matches) =>
        AssertMatches(
            action => new IntentionPermission { Action = action, PathExact = exact, PathPrefix = prefix, PathRegex = regex },
            "GET",
            path,
            HeaderTable.None,
            matches);

    [Theory]
    [InlineData("/a/b", null, null, "//a/b")]
    [InlineData("/a/b", null, null, "/a///b")]
    [InlineData("/a/b", null, null, "/A//b//")]
    [InlineData("/a/b/", null, null, "/a//b")]
    [InlineData("/a//b", null, null, "/a//b")]
    [InlineData("/", null, null, "//")]
    [InlineData(null, "/a/b", null, "//a/b/c")]
    [InlineData(null, "/a/b", null, "/a//b")]
    [InlineData(null, "/a/b/", null, "/a//b//c")]
    [InlineData(null, null, "/a/[a-z]+/c", "///a/b//c")]
    [InlineData(null, null, "/a//b", "/a//b")]
    public void EvaluateRequest_LooseDenials_HoldForDoubledSlashesWhereAllowancesDoNot(
        string? exact, string? prefix, string? regex, string path)
    {
        IntentionPermission Make(IntentionAction action) => new()
        {
            Action = action,
            PathExact = exact,
            PathPrefix = prefix,
            PathRegex = regex,
        };
        var isTheRulesOwn = exact == path || regex == path;

        Assert.False(Loose(Allow, Make(Deny)).EvaluateRequest("web", "GET", path, HeaderTable.None).IsAllowed);
        Assert.Equal(isTheRulesOwn, Loose(Deny, Make(Allow)).EvaluateRequest("web", "GET", path, HeaderTable.None).IsAllowed);
        Assert.Equal(!isTheRulesOwn, Evaluator(Allow, Rule("web", "orders", Make(Deny))).EvaluateRequest("web", "GET", path, HeaderTable.None).IsAllowed);
    }

    [Theory]
    [InlineData("/a/b")]
    [InlineData("/x//y")]
    [InlineData("/a b//c")]
    public void EvaluateRequest_LooseDenials_LeaveOtherPathsAlone(string path) => Assert.True(
        Loose(Allow, new IntentionPermission { Action = Deny, PathPrefix = "/a/c" }).EvaluateRequest("web", "GET", path, HeaderTable.None).IsAllowed);

    [Fact]
    public void EvaluateRequest_OfAnOrdinaryPath_TakesNoMemory()
    {
        var evaluator = Loose(Allow, new IntentionPermission { Action = Deny, PathPrefix = "/a" }, new IntentionPermission { Action = Allow });
        var headers = HeaderTable.None;
        evaluator.EvaluateRequest("web", "GET", "/b/c/", headers);
        var before = GC.GetAllocatedBytesForCurrentThread();

        evaluator.EvaluateRequest("web", "GET", "/b/c/", headers);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData("GET", true)]
    [InlineData("POST", true)]
    [InlineData("PUT", false)]
    [InlineData("get", true)]
    [InlineData("GETX", false)]
    [InlineData("", false)]
    public void EvaluateRequest_MethodRule_MatchesWithoutCase(string method, bool matches) =>
        AssertMatches(
            action => new IntentionPermission { Action = action, Methods = ["GET", "post"] }, method, "/", HeaderTable.None, matches);

    [Theory]
    [InlineData(HeaderMatchKind.Present, "", false, "anything", true)]
    [InlineData(HeaderMatchKind.Present, "", false, "", true)]
    [InlineData(HeaderMatchKind.Present, "", false, null, false)]
    [InlineData(HeaderMatchKind.Exact, "abc", false, "abc", true)]
    [InlineData(HeaderMatchKind.Exact, "abc", false, "ABC", false)]
    [InlineData(HeaderMatchKind.Exact, "abc", true, "ABC", true)]
    [InlineData(HeaderMatchKind.Exact, "abc", false, "abcd", false)]
    [InlineData(HeaderMatchKind.Exact, "abc", false, null, false)]
    [InlineData(HeaderMatchKind.Exact, "", false, null, false)]
    [InlineData(HeaderMatchKind.Prefix, "ab", false, "abc", true)]
    [InlineData(HeaderMatchKind.Prefix, "ab", false, "ABC", false)]
    [InlineData(HeaderMatchKind.Prefix, "ab", true, "ABC", true)]
    [InlineData(HeaderMatchKind.Prefix, "bc", false, "abc", false)]
    [InlineData(HeaderMatchKind.Prefix, "", false, null, false)]
    [InlineData(HeaderMatchKind.Suffix, "bc", false, "abc", true)]
    [InlineData(HeaderMatchKind.Suffix, "bc", false, "ABC", false)]
    [InlineData(HeaderMatchKind.Suffix, "bc", true, "ABC", true)]
    [InlineData(HeaderMatchKind.Suffix, "ab", false, "abc", false)]
    [InlineData(HeaderMatchKind.Contains, "b", false, "abc", true)]
    [InlineData(HeaderMatchKind.Contains, "b", false, "ABC", false)]
    [InlineData(HeaderMatchKind.Contains, "b", true, "ABC", true)]
    [InlineData(HeaderMatchKind.Contains, "x", false, "abc", false)]
    [InlineData(HeaderMatchKind.Contains, "", false, null, false)]
    [InlineData(HeaderMatchKind.Regex, "a|b", false, "b", true)]
    [InlineData(HeaderMatchKind.Regex, "a|b", false, "ab", false)]
    [InlineData(HeaderMatchKind.Regex, "a.c", false, "ABC", false)]
    [InlineData(HeaderMatchKind.Regex, "a.c", true, "ABC", true)]
    [InlineData(HeaderMatchKind.Regex, ".*", false, null, false)]
    public void EvaluateRequest_HeaderRule_MatchesAndInverts(
        HeaderMatchKind kind, string expected, bool ignoreCase, string? value, bool matches)
    {
        var headers = value is null ? HeaderTable.None : HeaderTable.With("X-Role", value);
        foreach (var invert in (bool[])[false, true])
        {
            AssertMatches(
                action => new IntentionPermission
                {
                    Action = action,
                    Headers = [new HeaderMatch("x-role", kind, expected, invert, ignoreCase)],
                },
                "GET",
                "/",
                headers,
                matches != invert,
                // Without the header, nothing but its presence can be turned round into an allowance.
                allows: matches != invert && (value is not null || kind == HeaderMatchKind.Present));
        }
    }

    [Theory]
    [InlineData(HeaderMatchKind.Exact, "admin", false, "guest", "admin", false)]
    [InlineData(HeaderMatchKind.Exact, "admin", false, "admin", "guest", false)]
    [InlineData(HeaderMatchKind.Exact, "guest,admin", false, "guest", "admin", true)]
    [InlineData(HeaderMatchKind.Prefix, "adm", false, "guest", "admin", false)]
    [InlineData(HeaderMatchKind.Suffix, "min", false, "admin", "guest", false)]
    [InlineData(HeaderMatchKind.Regex, "a[a-z]+", false, "guest", "admin", false)]
    [InlineData(HeaderMatchKind.Contains, "staff", true, "staff", "other", false)]
    [InlineData(HeaderMatchKind.Exact, "staff", true, "guest", "member", true)]
    public void EvaluateRequest_HeaderInSeveralLines_IsDeniedByAnyOfThemAndAllowedByThemJoined(
        HeaderMatchKind kind, string value, bool invert, string first, string second, bool joinedMatches)
    {
        IntentionPermission Make(IntentionAction action) => new()
        {
            Action = action,
            Headers = [new HeaderMatch("x-role", kind, value, invert)],
        };
        var lines = HeaderTable.With("X-Role", first, second);

        Assert.False(Evaluator(Allow, Rule("web", "orders", Make(Deny))).EvaluateRequest("web", "GET", "/", lines).IsAllowed);
        Assert.Equal(
            joinedMatches,
            Evaluator(Deny, Rule("web", "orders", Make(Allow))).EvaluateRequest("web", "GET", "/", lines).IsAllowed);
    }

    [Theory]
    [InlineData("guest", "admin", false)]
    [InlineData("admin", "guest", false)]
    [InlineData("guest", "member", true)]
    public void EvaluateRequest_AllowanceForAllButAValue_IsNotForThatAmongOthers(string first, string second, bool allowed)
    {
        var evaluator = Evaluator(Deny, Rule("web", "orders", new IntentionPermission
        {
            Action = Allow,
            Headers = [new HeaderMatch("x-role", HeaderMatchKind.Exact, "admin", Invert: true)],
        }));

        Assert.Equal(allowed, evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.With("x-role", first, second)).IsAllowed);
    }

    [Fact]
    public void EvaluateRequest_NoLineThatIsDenied_IsLetThrough()
    {
        var evaluator = Evaluator(Allow, Rule(
            "web", "orders", new IntentionPermission { Action = Deny, Headers = [new HeaderMatch("x-role", HeaderMatchKind.Exact, "admin")] }));

        Assert.True(evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.With("x-role", "guest", "admins")).IsAllowed);
        Assert.True(evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.None).IsAllowed);
    }

    // More than a decision remembers the values of, and each asked for several times and in other case.
    [Fact]
    public void EvaluateRequest_ManyHeadersInManyPermissions_AreComparedEach()
    {
        HeaderMatch[] Wanted(int other) =>
        [
            .. Enumerable.Range(0, 12).Select(i => new HeaderMatch(other % 2 == 0 ? $"x-{i}" : $"X-{i}", HeaderMatchKind.Exact, i == other ? "other" : $"{i}")),
        ];
        var permissions = Enumerable.Range(0, 12).Select(i => new IntentionPermission { Action = Allow, Headers = [.. Wanted(i)] }).ToArray();
        var evaluator = Evaluator(Deny, Rule("web", "orders", permissions));

        for (var i = 0; i < 12; i++)
        {
            var headers = Enumerable.Range(0, 12).ToDictionary(j => $"x-{j}", j => j == i ? "other" : $"{j}", StringComparer.OrdinalIgnoreCase);
            Assert.Equal($"web->orders#{i + 1}", evaluator.EvaluateRequest("web", "GET", "/", new HeaderTable(headers)).Rule);
            headers["x-11"] = "third";
            Assert.Equal("default", evaluator.EvaluateRequest("web", "GET", "/", new HeaderTable(headers)).Rule);
        }
    }

    [Fact]
    public void EvaluateRequest_SeveralConditions_AllHaveToHold()
    {
        IntentionPermission Make(IntentionAction action) => new()
        {
            Action = action,
            PathPrefix = "/a",
            Methods = ["GET"],
            Headers = [new HeaderMatch("x", HeaderMatchKind.Exact, "1"), new HeaderMatch("y", HeaderMatchKind.Present, "", Invert: true)],
        };
        var good = HeaderTable.With("x", "1");
        var both = new HeaderTable(new Dictionary<string, string> { ["x"] = "1", ["y"] = "" });

        AssertMatches(Make, "GET", "/a", good, true);
        AssertMatches(Make, "GET", "/b", good, false);
        AssertMatches(Make, "PUT", "/a", good, false);
        AssertMatches(Make, "GET", "/a", both, false);
        AssertMatches(Make, "GET", "/a", HeaderTable.With("x", "2"), false);
    }

    // No expression at all, one that needs backtracking, one that closes the parentheses put around it, and those that mean
    // something else in RE2.
    public static TheoryData<string> BadExpressions =>
        ["(", "[", "a\\", "(a)\\1", "(?=a)a", "/x)|(?:/", "/x)|(/", "(?P<n>a)", "[[:alpha:]]+", "[^[:digit:]]", "[a-z-[aeiou]]", "\\Qa\\E"];

    [Theory]
    [MemberData(nameof(BadExpressions))]
    public void EvaluateRequest_ExpressionThatDoesNotCompile_OpensNothing(string pattern)
    {
        AssertOpensNothing(action => new IntentionPermission { Action = action, PathRegex = pattern });
        foreach (var invert in (bool[])[false, true])
        {
            AssertOpensNothing(action => new IntentionPermission
            {
                Action = action,
                Headers = [new HeaderMatch("x", HeaderMatchKind.Regex, pattern, invert)],
            });
        }
    }

    [Theory]
    [InlineData("[]a]", "a")]
    [InlineData("[^]a]", "b")]
    [InlineData("a-[b]", "a-b")]
    [InlineData("\\[:a", "[:a")]
    [InlineData("[\\[]:", "[:")]
    [InlineData("[:a]", ":")]
    public void EvaluateRequest_BracketsThatMeanTheSame_Compile(string pattern, string value) =>
        AssertMatches(
            action => new IntentionPermission { Action = action, Headers = [new HeaderMatch("x", HeaderMatchKind.Regex, pattern)] },
            "GET",
            "/",
            HeaderTable.With("x", value),
            true);

    [Fact]
    public void EvaluateRequest_UnsupportedRequirementOrComparison_OpensNothing()
    {
        AssertOpensNothing(action => new IntentionPermission { Action = action, HasUnsupportedRequirement = true });
        AssertOpensNothing(action => new IntentionPermission
        {
            Action = action,
            Headers = [new HeaderMatch("x", (HeaderMatchKind)99, "", Invert: true)],
        });
    }

    [Fact]
    public void EvaluateRequest_UnsupportedDenyWithOtherPath_DoesNotMatch() => AssertMatches(
        action => new IntentionPermission { Action = action, HasUnsupportedRequirement = true, PathExact = "/x" },
        "GET",
        "/y",
        HeaderTable.None,
        false);

    [Fact]
    public void Evaluate_SamePairTwice_TheStricterDecides()
    {
        var allow = Rule("web", "orders", Allow) with { Id = "allow" };
        var ask = Rule("web", "orders", new IntentionPermission { Action = Allow, PathExact = "/x" }) with { Id = "ask" };
        var deny = Rule("web", "orders", Deny) with { Id = "deny" };
        var empty = allow with { Id = "empty", Action = null };

        foreach (var (rules, deciding) in ((Intention[], string)[])
            [([allow, deny], "deny"), ([ask, deny], "deny"), ([allow, ask], "ask"), ([allow, empty], "empty"), ([ask, empty], "empty")])
        {
            Assert.Equal(deciding, Evaluator(Deny, rules).EvaluateConnection("web").Rule);
            Array.Reverse(rules);
            Assert.Equal(deciding, Evaluator(Deny, rules).EvaluateConnection("web").Rule);
        }
    }

    [Theory]
    [MemberData(nameof(BothActions))]
    public void Evaluate_RuleThatSaysNothingOrContradictsItself_Denies(IntentionAction otherwise)
    {
        var nothing = Rule("web", "orders", Allow) with { Action = null };
        var both = Rule("web", "orders", new IntentionPermission { Action = Allow }) with { Action = Deny };

        foreach (var evaluator in (IntentionEvaluator[])[Evaluator(otherwise, nothing), Evaluator(otherwise, both)])
        {
            Assert.False(evaluator.EvaluateConnection("web").IsAllowed);
            Assert.False(evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.None).IsAllowed);
        }
    }

    private static Intention Rule(string source, string destination, IntentionAction action) =>
        new() { Id = $"{source}->{destination}", Source = source, Destination = destination, Action = action };

    private static Intention Rule(string source, string destination, params IntentionPermission[] permissions) =>
        new() { Id = $"{source}->{destination}", Source = source, Destination = destination, Permissions = [.. permissions] };

    private static IntentionEvaluator Evaluator(IntentionAction otherwise, params Intention[] rules) =>
        new(new IntentionSnapshot(ServiceName.Parse("orders"), [.. rules], null), otherwise);

    private static IntentionEvaluator Loose(IntentionAction otherwise, params IntentionPermission[] permissions) =>
        new(new IntentionSnapshot(ServiceName.Parse("orders"), [Rule("web", "orders", permissions)], null), otherwise, looseDenials: true);

    private static (IntentionAction Action, string Rule) Decide(IntentionEvaluator evaluator, string path)
    {
        var verdict = evaluator.EvaluateRequest("web", "GET", path, HeaderTable.None);
        return (verdict.Action, verdict.Rule);
    }

    // The same permission allowing under a default that denies, and denying under one that allows.
    private static void AssertMatches(
        Func<IntentionAction, IntentionPermission> make,
        string method,
        string path,
        HeaderTable headers,
        bool matches,
        bool? allows = null)
    {
        foreach (var (action, otherwise) in ((IntentionAction, IntentionAction)[])[(Allow, Deny), (Deny, Allow)])
        {
            var verdict = Evaluator(otherwise, Rule("web", "orders", make(action))).EvaluateRequest("web", method, path, headers);

            var expected = action == Allow ? allows ?? matches : matches;
            Assert.Equal(expected ? action : otherwise, verdict.Action);
            Assert.Equal(expected ? "web->orders#1" : IntentionVerdict.DefaultRule, verdict.Rule);
        }
    }

    private static void AssertOpensNothing(Func<IntentionAction, IntentionPermission> make)
    {
        foreach (var headers in (HeaderTable[])[HeaderTable.None, HeaderTable.With("x", "a"), HeaderTable.With("x", "anything")])
        {
            foreach (var path in (string[])["/", "/x", "/anything"])
            {
                Assert.False(Evaluator(Deny, Rule("web", "orders", make(Allow))).EvaluateRequest("web", "GET", path, headers).IsAllowed);
                Assert.False(Evaluator(Allow, Rule("web", "orders", make(Deny))).EvaluateRequest("web", "GET", path, headers).IsAllowed);
            }
        }
    }
}
