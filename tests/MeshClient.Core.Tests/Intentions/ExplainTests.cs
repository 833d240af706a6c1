using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Intentions;

public sealed class ExplainTests
{
    [Fact]
    public void ExplainRequest_ManyRules_SaysOfEachWhatItDidAndWhy()
    {
        var evaluator = Evaluator(
            IntentionAction.Deny,
            Rule("*", "*", IntentionAction.Allow),
            Rule("web", "*", IntentionAction.Allow),
            Rule("ops", "orders", IntentionAction.Allow),
            Rule("web", "payments", IntentionAction.Allow),
            Rule("web", "orders") with
            {
                Permissions =
                [
                    new IntentionPermission { Action = IntentionAction.Allow, Methods = ["PUT", "POST"] },
                    new IntentionPermission { Action = IntentionAction.Allow, PathPrefix = "/admin" },
                    new IntentionPermission { Action = IntentionAction.Allow, Headers = [new HeaderMatch("x-key", HeaderMatchKind.Exact, "s3cret")] },
                    new IntentionPermission { Action = IntentionAction.Allow, Jwt = new JwtRequirement([new JwtProviderRequirement("okta", [])]) },
                    new IntentionPermission { Action = IntentionAction.Allow, HasUnsupportedRequirement = true },
                    new IntentionPermission { Action = IntentionAction.Deny, PathRegex = "/things/.*" },
                    new IntentionPermission { Action = IntentionAction.Allow },
                ],
            });

        var explanation = evaluator.ExplainRequest("web", "GET", "/things/1", HeaderTable.None, default(NoPassport));

        Assert.Equal(("web", "orders"), (explanation.Source, explanation.Destination));
        Assert.Same(evaluator.EvaluateRequest("web", "GET", "/things/1", HeaderTable.None), explanation.Verdict);
        Assert.Equal(
            [
                ("web->orders", RuleEffect.Decides, "Matched intention: web => orders (precedence 9), permission 6: deny."),
                ("web->orders#1", RuleEffect.NotApplied, "The method is GET; it is about PUT, POST."),
                ("web->orders#2", RuleEffect.NotApplied, "The path is another; it is about '/admin' and what begins with it."),
                ("web->orders#3", RuleEffect.NotApplied, "The header x-key is not what it asks for."),
                ("web->orders#4", RuleEffect.NotApplied, "The request does not carry a token of okta."),
                ("web->orders#5", RuleEffect.NotApplied, "It asks for something that cannot be checked, so it allows nothing."),
                ("web->orders#6", RuleEffect.Decides, "It matches."),
                ("web->orders#7", RuleEffect.NotApplied, "web->orders#6 comes first."),
                ("ops->orders", RuleEffect.NotApplied, "It is about calls of ops."),
                ("web->*", RuleEffect.NotApplied, "web => orders (precedence 9) outranks it."),
                ("*->*", RuleEffect.NotApplied, "web => orders (precedence 9) outranks it."),
                ("default", RuleEffect.NotApplied, "An intention decides."),
            ],
            explanation.Rules.Select(rule => (rule.Rule, rule.Effect, rule.Why)));
        Assert.Equal("deny any method, path what matches '/things/.*'", explanation.Rules[6].Summary);
        Assert.DoesNotContain("s3cret", explanation.ToString() + string.Concat(explanation.Rules), StringComparison.Ordinal);
    }

    [Fact]
    public void ExplainRequest_NoPermissionMatches_TheDefaultDecides()
    {
        var explanation = Evaluator(
            IntentionAction.Allow,
            Rule("web", "orders") with { Permissions = [new IntentionPermission { Action = IntentionAction.Deny, PathExact = "/x" }] })
            .ExplainRequest("web", "GET", "/y", HeaderTable.None, default(NoPassport));

        Assert.Equal(
            [("web->orders", RuleEffect.Decides), ("web->orders#1", RuleEffect.NotApplied), ("default", RuleEffect.Decides)],
            explanation.Rules.Select(rule => (rule.Rule, rule.Effect)));
    }

    [Fact]
    public void ExplainConnection_NoIntention_TheDefaultDecides()
    {
        var rule = Assert.Single(Evaluator(IntentionAction.Deny).ExplainConnection("web").Rules);

        Assert.Equal(new WeighedRule("default", "deny", RuleEffect.Decides, "No intention in force matches."), rule);
    }

    [Fact]
    public void ExplainConnection_TriedRule_SaysThatItWouldDecide()
    {
        var explanation = Evaluator(
            IntentionAction.Deny,
            Rule("web", "orders", IntentionAction.Deny) with { Mode = IntentionMode.Shadow },
            Rule("web", "*", IntentionAction.Deny) with { Mode = IntentionMode.Shadow },
            Rule("*", "orders", IntentionAction.Allow)).ExplainConnection("web");

        Assert.Equal(IntentionOutcome.ShadowDeny, explanation.Verdict.Outcome);
        Assert.Equal(
            [
                ("web->orders", RuleEffect.WouldDecide, "deny web => orders (precedence 9, shadow)"),
                ("*->orders", RuleEffect.Decides, "allow * => orders (precedence 8)"),
                ("web->*", RuleEffect.NotApplied, "deny web => * (precedence 6, shadow)"),
                ("default", RuleEffect.NotApplied, "deny"),
            ],
            explanation.Rules.Select(rule => (rule.Rule, rule.Effect, rule.Summary)));
    }

    [Fact]
    public void ExplainRequest_TokenOfTheIntentionMissing_SaysSoOfItsPermissions()
    {
        var explanation = Evaluator(
            IntentionAction.Deny,
            Rule("web", "orders") with
            {
                Jwt = new JwtRequirement([new JwtProviderRequirement("okta", [new JwtClaimRequirement(["perms", "role"], "s3cret")])]),
                Permissions = [new IntentionPermission { Action = IntentionAction.Allow }],
            }).ExplainRequest("web", "GET", "/", HeaderTable.None, default(NoPassport));

        Assert.Equal(
            "Intention web => orders asks for a token of okta with perms.role, and the request does not carry it, so it is denied.",
            explanation.Rules[0].Why);
        Assert.Equal("Its intention asks for a token that the request does not carry.", explanation.Rules[1].Why);
    }

    private static Intention Rule(string source, string destination, IntentionAction? action = null) =>
        new() { Id = $"{source}->{destination}", Source = source, Destination = destination, Action = action };

    private static IntentionEvaluator Evaluator(IntentionAction otherwise, params Intention[] rules) =>
        new(new IntentionSnapshot(ServiceName.Parse("orders"), [.. rules], null), otherwise);
}
