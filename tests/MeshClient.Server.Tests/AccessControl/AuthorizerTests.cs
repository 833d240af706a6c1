using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.AccessControl;
using MeshClient.Server.AccessControl.Rules;

namespace MeshClient.Server.Tests.AccessControl;

public sealed class AuthorizerTests
{
    [Theory]
    [InlineData("web", "Write", true)]
    [InlineData("web-1", "Write", false)]
    [InlineData("web-1", "Read", true)]
    [InlineData("web-secret", "Read", false)]
    [InlineData("web-secret-too", "Read", true)]
    [InlineData("we", "Read", false)]
    [InlineData("WEB", "Read", false)]
    public void Allows_OfSeveralRules_TheExactThenTheLongestDecides(string name, string level, bool allowed) =>
        Assert.Equal(allowed, Of("""
            service "web" { policy = "write" }
            service_prefix "web" { policy = "read" }
            service "web-secret" { policy = "deny" }
            service_prefix "" { policy = "deny" }
            """).Allows(ResourceKind.Service, name, Enum.Parse<AccessLevel>(level)));

    [Theory]
    [InlineData("deny", "write", "Read", false)]
    [InlineData("read", "write", "Write", true)]
    [InlineData("read", "list", "List", true)]
    [InlineData("read", "read", "Write", false)]
    public void Allows_OfTwoPoliciesOnOneName_DenyWinsThenTheMost(string one, string other, string level, bool allowed)
    {
        foreach (var (first, second) in ((string, string)[])[(one, other), (other, one)])
        {
            Assert.Equal(allowed, Of($$"""key "a" { policy = "{{first}}" } key "a" { policy = "{{second}}" }""").Allows(ResourceKind.Key, "a", Enum.Parse<AccessLevel>(level)));
        }
    }

    [Theory]
    [InlineData("""service "a" { policy = "write" }""", "a", "Read", true)]
    [InlineData("""service "a" { policy = "write" }""", "a", "Write", false)]
    [InlineData("""service "a" { policy = "deny" }""", "a", "Read", false)]
    [InlineData("""service "a" { policy = "deny" intentions = "write" }""", "a", "Write", true)]
    [InlineData("""service "a" { policy = "read" }""", "*", "Read", true)]
    [InlineData("""service_prefix "" { policy = "write" intentions = "write" }""", "*", "Write", true)]
    [InlineData("""service_prefix "" { policy = "write" intentions = "write" } service "x" { policy = "read" }""", "*", "Write", false)]
    [InlineData("", "*", "Read", false)]
    public void Allows_OfIntentions_FollowsTheRulesOfServices(string rules, string destination, string level, bool allowed) =>
        Assert.Equal(allowed, Of(rules).Allows(ResourceKind.Intention, destination, Enum.Parse<AccessLevel>(level)));

    [Theory]
    [InlineData("""key_prefix "a/" { policy = "write" }""", "a/b", true)]
    [InlineData("""key_prefix "a/" { policy = "write" } key "a/b/c" { policy = "read" }""", "a/b", false)]
    [InlineData("""key_prefix "a/" { policy = "write" } key_prefix "a/b/c" { policy = "deny" }""", "a/", false)]
    [InlineData("""key_prefix "a/b" { policy = "write" }""", "a/", false)]
    [InlineData("""key "a" { policy = "write" }""", "a", false)]
    public void AllowsWriteBelow_ASubtree_NeedsAllOfIt(string rules, string prefix, bool allowed) =>
        Assert.Equal(allowed, Of(rules).AllowsWriteBelow(ResourceKind.Key, prefix));

    [Fact]
    public void Allows_WithoutARule_FollowsTheDefaultButForTheRulesThemselves()
    {
        var open = Authorizer.Create([], allowsByDefault: true);
        foreach (var kind in Enum.GetValues<ResourceKind>())
        {
            Assert.Equal(kind != ResourceKind.Acl, open.Allows(kind, "x", AccessLevel.Write));
            Assert.False(Authorizer.Create([], allowsByDefault: false).Allows(kind, "x", AccessLevel.Read));
        }
    }

    [Fact]
    public void ManagementPolicy_AllowsEverything()
    {
        var management = Authorizer.Create(AccessPolicy.Management().Rules, allowsByDefault: false);
        foreach (var kind in Enum.GetValues<ResourceKind>())
        {
            Assert.True(management.Allows(kind, kind switch { ResourceKind.Intention => "*", ResourceKind.Acl or ResourceKind.Keyring or ResourceKind.Operator => string.Empty, _ => "anything" }, AccessLevel.Write), kind.ToString());
        }
    }

    /// <summary>Against the plainest way to say it: look at every rule.</summary>
    [Fact]
    public void Allows_OfAnyRules_IsWhatLookingAtEveryRuleSays()
    {
        var names = Gen.Elements("", "a", "ab", "abc", "b", "ba", "abcd");
        var rule =
            from name in names
            from isPrefix in Gen.Elements(true, false)
            from level in Gen.Elements(AccessLevel.Deny, AccessLevel.Read, AccessLevel.Write)
            select new AccessRule(ResourceKind.Node, name, isPrefix, level);
        var cases = from rules in rule.ListOf() from name in names select (rules, name);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var matching = c.rules.Where(r => r.IsPrefix ? c.name.StartsWith(r.Name, StringComparison.Ordinal) : r.Name == c.name)
                .GroupBy(r => (r.IsPrefix, r.Name.Length)).OrderBy(group => group.Key.IsPrefix).ThenByDescending(group => group.Key.Length).FirstOrDefault();
            var level = matching is null || matching.Any(r => r.Level == AccessLevel.Deny) ? AccessLevel.Deny : matching.Max(r => r.Level);
            var authorizer = Authorizer.Create(c.rules, allowsByDefault: false);
            Assert.Equal(level >= AccessLevel.Read, authorizer.Allows(ResourceKind.Node, c.name, AccessLevel.Read));
            Assert.Equal(level >= AccessLevel.Write, authorizer.Allows(ResourceKind.Node, c.name, AccessLevel.Write));
        }));
    }

    private static Authorizer Of(string rules) => Authorizer.Create(RuleParser.Parse(rules), allowsByDefault: false);
}
