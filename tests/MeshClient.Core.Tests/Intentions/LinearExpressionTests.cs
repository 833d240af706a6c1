using System.Text.RegularExpressions;
using MeshClient.Core.Intentions;
using MeshClient.Core.Naming;

namespace MeshClient.Core.Tests.Intentions;

/// <summary>
/// Expressions of intentions: what is compared before they are run settles only what they would; none takes more than linear
/// time. <c>MESHCLIENT_LONG=1</c> makes twenty times as many expressions.
/// </summary>
public sealed class LinearExpressionTests
{
    private static readonly int Patterns = Environment.GetEnvironmentVariable("MESHCLIENT_LONG") == "1" ? 80_000 : 4_000;

    private static readonly string[] PatternParts =
    [
        "/", "/", "a", "b", "K", "s", "ä", ".", ".*", "*", "+", "?", "|", "(", ")", "(?:", "(?i)", "[", "]", "[ab]", "[^/]", "[]|]", "^", "$", "\\", "\\.", "\\-",
        "\\/", "\\|", "\\d", "\\b", "{2}", "{0}", "{0,1}", "{", "}", "-", "#", " ",
    ];

    private static readonly string[] TextParts = ["/", "a", "A", "b", "k", "K", "S", "\u212a", "\u017f", "ä", "Ä", ".", "-", "|", "]", "{", "#", " ", "1", "\n", "\\"];

    [Fact]
    public void IsMatch_RandomExpressionsAndTexts_IsWhatTheExpressionAloneSays()
    {
        var random = new Random(3);
        var (compiled, matches) = (0, 0);
        for (var i = 0; i < Patterns; i++)
        {
            var pattern = string.Concat(random.GetItems(PatternParts, random.Next(0, 8)));
            var ignoreCase = random.Next(2) == 0;
            if (!LinearExpression.TryCompile(pattern, ignoreCase, out var expression))
            {
                continue;
            }

            compiled++;
            var alone = new Regex(
                $@"\A(?:{pattern})\z",
                RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline | (ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None));
            for (var j = 0; j < 20; j++)
            {
                // Half of them are near the expression, or they would hardly ever match.
                var text = random.Next(2) == 0
                    ? string.Concat(random.GetItems(TextParts, random.Next(0, 6)))
                    : string.Concat(pattern.Where(c => !"*+?^$()".Contains(c, StringComparison.Ordinal)).Select(c => c == '.' ? 'b' : c));
                text = random.Next(3) == 0 ? text.ToUpperInvariant() : text;

                var expected = alone.IsMatch(text);

                matches += expected ? 1 : 0;
                Assert.Equal((pattern, ignoreCase, text, expected), (pattern, ignoreCase, text, expression.IsMatch(text)));
                var beginning = text.AsSpan(..random.Next(text.Length + 1));
                Assert.False(expected && expression.RulesOut(beginning), $"'{pattern}' was ruled out by '{beginning}' of '{text}'");
            }
        }

        Assert.InRange(compiled, Patterns / 4, Patterns);
        Assert.InRange(matches, Patterns, Patterns * 20);
    }

    // With an engine that backtracks each of these runs for longer than anybody lives.
    [Theory]
    [InlineData("(a+)+b")]
    [InlineData("(a|aa)+b")]
    [InlineData("(a*)*b")]
    [InlineData("(.*a){20}b")]
    [InlineData("(/?a?)+(/?a?)+b")]
    public async Task IsMatch_ExpressionMadeToBacktrack_EndsSoon(string pattern)
    {
        Assert.True(LinearExpression.TryCompile(pattern, ignoreCase: true, out var expression));
        var text = new string('a', 20_000);

        var isMatch = await Task.Run(() => expression.IsMatch(text), TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

        Assert.False(isMatch);
    }

    [Theory]
    [InlineData("((a{99}){99}){99}")]
    [InlineData("(a{500}b{500}){500}")]
    public void TryCompile_ExpressionThatGrows_IsRefused(string pattern) => Assert.False(LinearExpression.TryCompile(pattern, ignoreCase: false, out _));

    [Fact]
    public void TryCompile_LongerThanTheLimit_IsRefused()
    {
        Assert.True(LinearExpression.TryCompile(new string('a', IntentionLimits.ExpressionLength), ignoreCase: false, out _));
        Assert.False(LinearExpression.TryCompile(new string('a', IntentionLimits.ExpressionLength + 1), ignoreCase: false, out _));
    }

    [Fact]
    public void Evaluate_IntentionLargerThanTheLimits_Denies()
    {
        var allow = new IntentionPermission { Action = IntentionAction.Allow };
        var header = new HeaderMatch("x", HeaderMatchKind.Present, "", Invert: true);
        var jwt = new JwtRequirement([.. Enumerable.Repeat(new JwtProviderRequirement("okta", []), IntentionLimits.Tokens + 1)]);
        var rule = new Intention { Id = "web->orders", Source = "web", Destination = "orders" };

        Assert.True(Allows(rule with { Permissions = Many(allow, IntentionLimits.Permissions) }));
        Assert.False(Allows(rule with { Permissions = Many(allow, IntentionLimits.Permissions + 1) }));
        Assert.True(Allows(rule with { Permissions = [allow with { Headers = Many(header, IntentionLimits.Conditions) }] }));
        Assert.False(Allows(rule with { Permissions = [allow with { Headers = Many(header, IntentionLimits.Conditions + 1) }] }));
        Assert.False(Allows(rule with { Permissions = [allow with { Methods = Many("GET", IntentionLimits.Conditions + 1) }] }));
        Assert.False(Allows(rule with { Permissions = [allow with { Jwt = jwt }] }));
        Assert.False(Allows(rule with { Action = IntentionAction.Allow, Jwt = jwt }));

        static EquatableArray<T> Many<T>(T item, int count) => EquatableArray.From(Enumerable.Repeat(item, count));

        static bool Allows(Intention intention) =>
            new IntentionEvaluator(new IntentionSnapshot(ServiceName.Parse("orders"), [intention], null), IntentionAction.Allow)
                .EvaluateRequest("web", "GET", "/", HeaderTable.None, new PassportTable(("okta", []))).IsAllowed;
    }
}
