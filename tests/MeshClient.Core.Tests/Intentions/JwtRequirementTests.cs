using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Intentions;

public sealed class JwtRequirementTests
{
    private static readonly JwtProviderRequirement AnyOkta = new("okta", []);
    private static readonly JwtProviderRequirement OktaAdmin = new("okta", [Claim("admin", "perms", "role"), Claim("eu", "region")]);
    private static readonly JwtProviderRequirement AnyOther = new("other", []);

    private static readonly (string, string[]) BothClaims = ("okta", ["perms.role=admin", "region=eu"]);
    private static readonly (string, string[]) OneClaim = ("okta", ["perms.role=admin", "region=us"]);
    private static readonly (string, string[]) NoClaim = ("okta", ["perms.role=guest"]);

    [Fact]
    public void Evaluate_RequirementOfAnIntention_IsMetByOneProviderWithAllClaims()
    {
        var allow = Rule(IntentionAction.Allow) with { Jwt = Requirement(OktaAdmin, AnyOther) };

        Assert.Equal((true, "web->orders"), Decide(allow, BothClaims));
        Assert.Equal((true, "web->orders"), Decide(allow, NoClaim, ("other", [])));
        foreach (var tokens in ((string, string[])[][])[[], [OneClaim], [NoClaim], [("Okta", BothClaims.Item2)], [("third", [])]])
        {
            Assert.Equal((false, "web->orders"), Decide(allow, tokens));
        }
    }

    [Fact]
    public void Evaluate_RequirementOfAnIntentionNotMet_DeniesBeforeItsPermissions()
    {
        var rule = Rule() with { Jwt = Requirement(AnyOkta), Permissions = [new IntentionPermission { Action = IntentionAction.Allow }] };

        Assert.Equal((true, "web->orders#1"), Decide(rule, NoClaim));
        Assert.Equal((false, "web->orders"), Decide(rule));
    }

    [Fact]
    public void Evaluate_RequirementsOfIntentionAndPermission_BothHaveToBeMet()
    {
        var rule = Rule() with
        {
            Jwt = Requirement(AnyOkta),
            Permissions = [new IntentionPermission { Action = IntentionAction.Allow, Jwt = Requirement(AnyOther) }],
        };

        Assert.Equal((true, "web->orders#1"), Decide(rule, NoClaim, ("other", [])));
        Assert.Equal((false, "default"), Decide(rule, IntentionAction.Deny, NoClaim));
        Assert.Equal((false, "web->orders"), Decide(rule, ("other", [])));
    }

    [Fact]
    public void Evaluate_DenialOfAnIntention_NeedsNoToken()
    {
        var deny = Rule(IntentionAction.Deny) with { Jwt = Requirement(AnyOkta) };

        Assert.Equal((false, "web->orders"), Decide(deny));
        Assert.Equal((false, "web->orders"), Decide(deny, BothClaims));
    }

    // A request must not get round a denial by leaving its token out, or a claim.
    [Fact]
    public void Evaluate_DenyingPermission_IsPassedOverOnlyWithATokenThatHasNoneOfTheClaims()
    {
        var rule = Rule() with { Permissions = [new IntentionPermission { Action = IntentionAction.Deny, Jwt = Requirement(OktaAdmin) }] };

        foreach (var tokens in ((string, string[])[][])[[], [BothClaims], [OneClaim], [("other", [])]])
        {
            Assert.Equal((false, "web->orders#1"), Decide(rule, tokens));
        }

        Assert.Equal((true, "default"), Decide(rule, NoClaim));
    }

    [Fact]
    public void Evaluate_DenyingPermissionForAnyTokenOfAProvider_IsNeverPassedOverWithOne()
    {
        var rule = Rule() with
        {
            Permissions = [new IntentionPermission { Action = IntentionAction.Deny, Jwt = Requirement(AnyOther, OktaAdmin) }],
        };

        Assert.Equal((false, "web->orders#1"), Decide(rule, NoClaim, ("other", [])));
        Assert.Equal((true, "default"), Decide(rule, NoClaim));
    }

    [Fact]
    public void Evaluate_RequirementWithoutProvider_IsNeverMet()
    {
        Assert.False(Decide(Rule(IntentionAction.Allow) with { Jwt = Requirement() }, BothClaims).IsAllowed);
        foreach (var action in (IntentionAction[])[IntentionAction.Allow, IntentionAction.Deny])
        {
            var rule = Rule() with { Permissions = [new IntentionPermission { Action = action, Jwt = Requirement() }] };
            var otherwise = action == IntentionAction.Allow ? IntentionAction.Deny : IntentionAction.Allow;
            Assert.False(Decide(rule, otherwise, BothClaims).IsAllowed);
        }
    }

    [Fact]
    public void EvaluateConnection_IntentionThatAsksForAToken_Denies()
    {
        var verdict = Evaluator(Rule(IntentionAction.Allow) with { Jwt = Requirement(AnyOkta) }, IntentionAction.Allow).EvaluateConnection("web");

        Assert.Equal((false, "web->orders"), (verdict.IsAllowed, verdict.Rule));
        Assert.Contains("asks for a token of okta", verdict.Reason, StringComparison.Ordinal);
    }

    private static JwtClaimRequirement Claim(string value, params string[] path) => new([.. path], value);

    private static JwtRequirement Requirement(params JwtProviderRequirement[] providers) => new([.. providers]);

    private static Intention Rule(IntentionAction? action = null) =>
        new() { Id = "web->orders", Source = "web", Destination = "orders", Action = action };

    private static IntentionEvaluator Evaluator(Intention rule, IntentionAction otherwise) =>
        new(new IntentionSnapshot(ServiceName.Parse("orders"), [rule], null), otherwise);

    private static (bool IsAllowed, string Rule) Decide(Intention rule, params (string, string[])[] tokens) =>
        Decide(rule, IntentionAction.Allow, tokens);

    private static (bool IsAllowed, string Rule) Decide(Intention rule, IntentionAction otherwise, params (string, string[])[] tokens)
    {
        var verdict = Evaluator(rule, otherwise).EvaluateRequest("web", "GET", "/", HeaderTable.None, new PassportTable(tokens));
        return (verdict.IsAllowed, verdict.Rule);
    }
}
