using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

using static MeshClient.Core.Intentions.IntentionOutcome;
using Verdict = (MeshClient.Core.Intentions.IntentionOutcome Outcome, string Rule);

namespace MeshClient.Core.Tests.Intentions;

public sealed class ShadowModeTests
{
    [Fact]
    public void Evaluate_TriedDenialOfWhatIsAllowed_GoesOnAndIsReported()
    {
        var rules = (Intention[])[Tried("web", IntentionAction.Deny), InForce("*", IntentionAction.Allow)];

        Assert.Equal((IntentionOutcome.ShadowDeny, "web->orders"), Decide(IntentionAction.Deny, rules));
        var verdict = Evaluator(IntentionAction.Deny, rules).EvaluateConnection("web");
        Assert.True(verdict.IsAllowed);
        Assert.Equal(IntentionAction.Deny, verdict.Action);
        Assert.StartsWith("In force, this would refuse the call: Matched intention: deny web => orders", verdict.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Evaluate_TriedDenialOfWhatIsDenied_StaysDeniedByWhatIsInForce()
    {
        Assert.Equal((IntentionOutcome.Deny, "default"), Decide(IntentionAction.Deny, Tried("web", IntentionAction.Deny)));
        Assert.Equal(
            (IntentionOutcome.Deny, "*->orders"),
            Decide(IntentionAction.Allow, Tried("web", IntentionAction.Deny), InForce("*", IntentionAction.Deny)));
    }

    [Fact]
    public void Evaluate_TriedAllowance_OpensNothing()
    {
        Assert.Equal((IntentionOutcome.Deny, "default"), Decide(IntentionAction.Deny, Tried("web", IntentionAction.Allow)));
        Assert.Equal(
            (IntentionOutcome.Deny, "*->orders"),
            Decide(IntentionAction.Allow, Tried("web", IntentionAction.Allow), InForce("*", IntentionAction.Deny)));
    }

    [Fact]
    public void Evaluate_TriedAllowanceOfWhatIsAllowed_IsAllowedByWhatIsInForce() => Assert.Equal(
        (IntentionOutcome.Allow, "*->orders"),
        Decide(IntentionAction.Deny, Tried("web", IntentionAction.Allow), InForce("*", IntentionAction.Allow)));

    [Fact]
    public void Evaluate_TriedRuleThatIsOutranked_IsNotReported() => Assert.Equal(
        (IntentionOutcome.Allow, "web->orders"),
        Decide(IntentionAction.Deny, InForce("web", IntentionAction.Allow), Tried("*", IntentionAction.Deny)));

    [Fact]
    public void Evaluate_SamePairTriedAndInForce_TheStricterCounts()
    {
        Assert.Equal(
            (IntentionOutcome.ShadowDeny, "tried"),
            Decide(IntentionAction.Deny, Tried("web", IntentionAction.Deny) with { Id = "tried" }, InForce("web", IntentionAction.Allow)));
        Assert.Equal(
            (IntentionOutcome.Deny, "web->orders"),
            Decide(IntentionAction.Allow, Tried("web", IntentionAction.Allow) with { Id = "tried" }, InForce("web", IntentionAction.Deny)));
    }

    [Theory]
    [InlineData("/a", IntentionOutcome.Allow, "*->orders")]
    [InlineData("/b", IntentionOutcome.ShadowDeny, "web->orders#2")]
    [InlineData("/c", IntentionOutcome.ShadowDeny, "default")]
    public void EvaluateRequest_TriedPermissions_ReportWhatTheyWouldRefuse(string path, IntentionOutcome outcome, string rule)
    {
        var tried = new Intention
        {
            Id = "web->orders",
            Source = "web",
            Destination = "orders",
            Mode = IntentionMode.Shadow,
            Permissions =
            [
                new IntentionPermission { Action = IntentionAction.Allow, PathExact = "/a" },
                new IntentionPermission { Action = IntentionAction.Deny, PathExact = "/b" },
            ],
        };

        Assert.Equal((outcome, rule), Decide(IntentionAction.Deny, path, tried, InForce("*", IntentionAction.Allow)));
        Assert.Equal((IntentionOutcome.Deny, "default"), Decide(IntentionAction.Deny, path, tried));
    }

    [Fact]
    public void Evaluate_GlobalShadow_RefusesNothingAndReportsAll()
    {
        Assert.Equal((IntentionOutcome.ShadowDeny, "default"), InGlobalShadow(IntentionAction.Deny));
        Assert.Equal((IntentionOutcome.ShadowDeny, "web->orders"), InGlobalShadow(IntentionAction.Allow, InForce("web", IntentionAction.Deny)));
        Assert.Equal((IntentionOutcome.Allow, "web->orders"), InGlobalShadow(IntentionAction.Deny, InForce("web", IntentionAction.Allow)));
        Assert.Equal((IntentionOutcome.ShadowDeny, "default"), InGlobalShadow(IntentionAction.Deny, Tried("web", IntentionAction.Allow)));

        static Verdict InGlobalShadow(IntentionAction otherwise, params Intention[] rules)
        {
            var evaluator = new IntentionEvaluator(Snapshot(rules), otherwise, mode: IntentionMode.Shadow);
            var verdict = evaluator.EvaluateRequest("web", "GET", "/", HeaderTable.None);
            Assert.Equal(verdict.Rule, evaluator.EvaluateConnection("web").Rule);
            return (verdict.Outcome, verdict.Rule);
        }
    }

    [Theory]
    [InlineData(null, true, IntentionMode.Enforce)]
    [InlineData("", true, IntentionMode.Enforce)]
    [InlineData("enforce", true, IntentionMode.Enforce)]
    [InlineData("Shadow", true, IntentionMode.Shadow)]
    [InlineData("shadwo", false, IntentionMode.Enforce)]
    [InlineData(" shadow", false, IntentionMode.Enforce)]
    public void TryParse_Mode_KnowsTwoWords(string? text, bool known, IntentionMode mode)
    {
        Assert.Equal(known, IntentionModeMeta.TryParse(text, out var parsed));
        Assert.Equal(mode, parsed);
    }

    private static Intention InForce(string source, IntentionAction action) =>
        new() { Id = $"{source}->orders", Source = source, Destination = "orders", Action = action };

    private static Intention Tried(string source, IntentionAction action) => InForce(source, action) with { Mode = IntentionMode.Shadow };

    private static IntentionSnapshot Snapshot(Intention[] rules) => new(ServiceName.Parse("orders"), [.. rules], null);

    private static IntentionEvaluator Evaluator(IntentionAction otherwise, params Intention[] rules) => new(Snapshot(rules), otherwise);

    private static Verdict Decide(IntentionAction otherwise, params Intention[] rules) => Decide(otherwise, "/", rules);

    private static Verdict Decide(IntentionAction otherwise, string path, params Intention[] rules)
    {
        var verdict = Evaluator(otherwise, rules).EvaluateRequest("web", "GET", path, HeaderTable.None);
        return (verdict.Outcome, verdict.Rule);
    }
}
