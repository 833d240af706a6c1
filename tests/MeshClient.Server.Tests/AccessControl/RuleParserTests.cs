using FsCheck;
using FsCheck.Fluent;
using MeshClient.Server.AccessControl;
using MeshClient.Server.AccessControl.Rules;

namespace MeshClient.Server.Tests.AccessControl;

public sealed class RuleParserTests
{
    [Theory]
    [InlineData("""service "web" { policy = "write" }""")]
    [InlineData("""service "web" { policy = "write", }""")]
    [InlineData("""service = { "web" = { policy = "write" } }""")]
    [InlineData("""service { "web" { "policy" = "write" } }""")]
    [InlineData("""service "web" { policy = write }""")]
    [InlineData("# a\n// b\n/* c */ service \"web\" {\n  policy = \"wri\\u0074e\" # d\n}\n")]
    [InlineData("""{"service":{"web":{"policy":"write"}}}""")]
    [InlineData("""  {"service":[{"web":{"policy":"write"}}]}""")]
    public void Parse_OfAnyFormOfARule_GivesTheRule(string text) =>
        Assert.Equal([new AccessRule(ResourceKind.Service, "web", IsPrefix: false, AccessLevel.Write)], RuleParser.Parse(text));

    [Fact]
    public void Parse_OfEveryKind_GivesThemAll()
    {
        var rules = RuleParser.Parse("""
            acl = "read"
            operator = "write"
            keyring = "deny"
            key_prefix "" { policy = "list" }
            key "a/b" { policy = "deny" }
            node_prefix "n" { policy = "read" }
            agent "x" { policy = "write" }
            session_prefix "" { policy = "write" }
            event "e" { policy = "read" }
            query_prefix "q" { policy = "write" }
            service_prefix "" { policy = "read" intentions = "write" }
            """);
        Assert.Equal(
            [
                new(ResourceKind.Acl, "", false, AccessLevel.Read),
                new(ResourceKind.Operator, "", false, AccessLevel.Write),
                new(ResourceKind.Keyring, "", false, AccessLevel.Deny),
                new(ResourceKind.Key, "", true, AccessLevel.List),
                new(ResourceKind.Key, "a/b", false, AccessLevel.Deny),
                new(ResourceKind.Node, "n", true, AccessLevel.Read),
                new(ResourceKind.Agent, "x", false, AccessLevel.Write),
                new(ResourceKind.Session, "", true, AccessLevel.Write),
                new(ResourceKind.Event, "e", false, AccessLevel.Read),
                new(ResourceKind.Query, "q", true, AccessLevel.Write),
                new AccessRule(ResourceKind.Service, "", true, AccessLevel.Read, AccessLevel.Write),
            ],
            rules);
    }

    [Theory]
    [InlineData("""key "x" { policy = "sing" }""", "Invalid key policy: &acl.KeyRule{Prefix:\"x\", Policy:\"sing\", EnterpriseRule:acl.EnterpriseRule{}}")]
    [InlineData("""key_prefix "x" { policy = "sing" }""", "Invalid key_prefix policy: &acl.KeyRule{Prefix:\"x\", Policy:\"sing\", EnterpriseRule:acl.EnterpriseRule{}}")]
    [InlineData("""node_prefix "x" { policy = "list" }""", "Invalid node_prefix policy: &acl.NodeRule{Name:\"x\", Policy:\"list\", EnterpriseRule:acl.EnterpriseRule{}}")]
    [InlineData("""agent "x" { }""", "Invalid agent policy: &acl.AgentRule{Node:\"x\", Policy:\"\"}")]
    [InlineData("""service "x" { policy = "read" intentions = "sing" }""", "Invalid service intentions policy: &acl.ServiceRule{Name:\"x\", Policy:\"read\", Intentions:\"sing\", EnterpriseRule:acl.EnterpriseRule{}}")]
    [InlineData("""operator = "sing" """, "Invalid operator policy: \"sing\"")]
    [InlineData("""service "x" { policy = """, "Failed to parse ACL rules: At 1:24: a value was expected and the text ends")]
    [InlineData("""servce "x" { policy = "deny" }""", "Failed to parse ACL rules: there are no rules of the kind \"servce\"")]
    [InlineData("""service "x" { polcy = "deny" }""", "Failed to parse ACL rules: a rule of the kind \"service\" has no \"polcy\"")]
    [InlineData("""key "x" { policy = "read" intentions = "read" }""", "Failed to parse ACL rules: a rule of the kind \"key\" has no \"intentions\"")]
    [InlineData("""service "a" "b" { policy = "deny" }""", "Failed to parse ACL rules: a rule of the kind \"service\" is not of its form")]
    [InlineData("""acl { policy = "read" }""", "Failed to parse ACL rules: a rule of the kind \"acl\" is not of its form")]
    [InlineData("""acl = <<E""", "Failed to parse ACL rules: At 1:7: here-documents are not supported")]
    [InlineData("{\"service\":", "Failed to parse ACL rules: At 1:12: invalid JSON")]
    public void Parse_OfSomethingWrong_SaysWhatIs(string text, string problem) =>
        Assert.Equal(problem, Assert.Throws<RuleTextException>(() => RuleParser.Parse(text)).Message);

    [Fact]
    public void Parse_OfADeepText_RefusesItInsteadOfEndingTheProcess()
    {
        Assert.Throws<RuleTextException>(() => RuleParser.Parse(string.Concat(Enumerable.Repeat("a {", 100_000))));
        Assert.Throws<RuleTextException>(() => RuleParser.Parse("a = " + new string('[', 100_000)));
        Assert.Throws<RuleTextException>(() => RuleParser.Parse(string.Concat(Enumerable.Repeat("{\"service\":", 100_000))));
    }

    /// <summary>Any text is rules or a sentence, never anything else.</summary>
    [Fact]
    public void Parse_OfAnyText_GivesRulesOrASentence()
    {
        var pieces = Gen.Elements(
            "service", "key_prefix", "acl", " ", "\"web\"", "{", "}", "=", "policy", "\"write\"", "\"", "\\", "\n", "#", "/*", "*/", "[", "]", ",", "intentions", "<<E", "\\u12", "é", "\ud800");
        var texts = pieces.ListOf().Select(list => string.Concat(list));
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(texts.ToArbitrary(), text =>
        {
            try
            {
                RuleParser.Parse(text);
            }
            catch (RuleTextException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }));
    }

    /// <summary>Whatever is written in one form and in the other means the same.</summary>
    [Fact]
    public void Parse_OfBothForms_GivesTheSameRules()
    {
        var rule =
            from kind in Gen.Elements("service", "service_prefix", "key", "key_prefix", "node", "session_prefix")
            from name in Gen.Elements("", "web", "a b", "x\"y", "\\", "é/ü", "${x}")
            from level in Gen.Elements("deny", "read", "write")
            select (kind, name, level);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(rule.ToArbitrary(), r =>
        {
            var quoted = System.Text.Json.JsonSerializer.Serialize(r.name);
            var hcl = RuleParser.Parse($"{r.kind} {quoted} {{ policy = \"{r.level}\" }}");
            var json = RuleParser.Parse($"{{\"{r.kind}\":{{{quoted}:{{\"policy\":\"{r.level}\"}}}}}}");
            Assert.Equal(r.name, Assert.Single(hcl).Name);
            Assert.Equal(json, hcl);
        }));
    }
}
