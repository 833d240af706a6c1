using MeshClient.Server.Filters;

namespace MeshClient.Server.Tests.Filters;

/// <summary>Every sentence here came from Consul 1.8.7.</summary>
public sealed class FilterParserTests
{
    private const string Operators = """expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]""";
    private const string AfterName = """expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]""";
    private const string ValueStart = """expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]""";
    private const string Start = """expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]""";

    [Theory]
    [InlineData("Port > 1", "1:6 (5): no match found, " + Operators)]
    [InlineData("ID = x", "1:4 (3): no match found, " + Operators)]
    [InlineData("foo bar", "1:5 (4): no match found, " + Operators)]
    [InlineData("foo", "1:4 (3): no match found, " + AfterName)]
    [InlineData("foo.bar", "1:8 (7): no match found, " + AfterName)]
    [InlineData("not", "1:4 (3): no match found, " + AfterName)]
    [InlineData("not(ID == a)", "1:4 (3): no match found, " + AfterName)]
    [InlineData("ID == a and and", "1:16 (15): no match found, " + AfterName)]
    [InlineData("", "1:1 (0): no match found, " + Start)]
    [InlineData("   ", "1:4 (3): no match found, " + Start)]
    [InlineData("é == x", "1:1 (0): no match found, " + Start)]
    [InlineData("ID == _a", "1:7 (6): no match found, " + ValueStart)]
    [InlineData("ID\n==\n", "3:1 (6): no match found, " + ValueStart)]
    [InlineData("ID == a AND ID == b", """1:9 (8): no match found, expected: "and", "or", [ \t\r\n] or EOF""")]
    [InlineData("ID==a1or ID==b", """1:10 (9): no match found, expected: "and", "or", [ \t\r\n] or EOF""")]
    [InlineData("ID == a and", @"1:12 (11): no match found, expected: [ \t\r\n]")]
    [InlineData("ID == a and(Port==1)", @"1:12 (11): no match found, expected: [ \t\r\n]")]
    [InlineData("ID is", @"1:6 (5): no match found, expected: [ \t\r\n]")]
    [InlineData("ID is not", @"1:10 (9): no match found, expected: [ \t\r\n]")]
    [InlineData("ID not", @"1:7 (6): no match found, expected: [ \t\r\n]")]
    [InlineData("ID not foo", """1:8 (7): no match found, expected: "contains", "in", "matches" or [ \t\r\n]""")]
    [InlineData("\"x\" in", @"1:7 (6): no match found, expected: [ \t\r\n]")]
    [InlineData("Meta.0 == v1", "1:6 (5): no match found, expected: [a-zA-Z]")]
    [InlineData("ID == a.0", "1:9 (8): no match found, expected: [a-zA-Z]")]
    [InlineData("ID == -", "1:8 (7): no match found, expected: \"0\" or [1-9]")]
    [InlineData("ID == a)", """1:8 (7): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF""")]
    [InlineData("ID == 5)", """1:8 (7): no match found, expected: ".", [ \t\r\n], [0-9] or EOF""")]
    [InlineData("Address == 127.0.0.1", "1:17 (16): rule \"number\": Invalid number literal")]
    [InlineData("ID == 0123", "1:8 (7): rule \"number\": Invalid number literal")]
    [InlineData("ID == 5.", "1:8 (7): rule \"number\": Invalid number literal")]
    [InlineData("ID == 5a", "1:8 (7): rule \"number\": Invalid number literal")]
    [InlineData("(ID == a", "1:9 (8): rule \"grouping\": Unmatched parentheses")]
    [InlineData("((ID == a)", "1:11 (10): rule \"grouping\": Unmatched parentheses")]
    [InlineData("(((ID == a) )", "1:14 (13): rule \"grouping\": Unmatched parentheses")]
    [InlineData("ID == \"a", "1:9 (8): rule \"string\": Unterminated string literal")]
    [InlineData("ID == \"é", "1:9 (9): rule \"string\": Unterminated string literal")]
    [InlineData("ID == `a", "1:9 (8): rule \"string\": Unterminated string literal")]
    [InlineData("ID == \"a\\\"b\"", "1:7 (6): rule \"string\": invalid syntax")]
    [InlineData("Meta[\"k\" == v1", "1:10 (9): rule \"index\": Unclosed index expression")]
    [InlineData("Meta[k] == v1", "1:6 (5): rule \"index\": Invalid index")]
    [InlineData("Meta[] == v1", "1:6 (5): rule \"index\": Invalid index")]
    [InlineData("x in \"y\"", "1:6 (5): rule \"match\": Invalid selector")]
    [InlineData("\"x\" in 5", "1:8 (7): rule \"match\": Invalid selector")]
    public void Parse_OfWhatIsNoFilter_SaysWhatConsulSays(string filter, string problem) =>
        Assert.Equal(problem, Assert.Throws<FilterException>(() => FilterParser.Parse(filter)).Message);

    [Theory]
    [InlineData("ID == a.b", "ID", FilterOperator.Equal, "a.b")]
    [InlineData("ID == a[\"b\"]", "ID", FilterOperator.Equal, "a.b")]
    [InlineData("ID==`a\"b`", "ID", FilterOperator.Equal, "a\"b")]
    [InlineData("\tID\n!=\"\\u00e9\\x41\\101\\n\" ", "ID", FilterOperator.NotEqual, "éAA\n")]
    [InlineData("A[\"b\"].C[`d`] is not empty", "A.b.C.d", FilterOperator.IsNotEmpty, "")]
    [InlineData("A is empty", "A", FilterOperator.IsEmpty, "")]
    [InlineData("-5.25 in A", "A", FilterOperator.In, "-5.25")]
    [InlineData("\"not\" not in A", "A", FilterOperator.NotIn, "not")]
    [InlineData("not in A", "A", FilterOperator.In, "not")]
    [InlineData("A not contains b", "A", FilterOperator.NotIn, "b")]
    [InlineData("A contains 0", "A", FilterOperator.In, "0")]
    [InlineData("A matches `^b`", "A", FilterOperator.Matches, "^b")]
    [InlineData("is not matches is", "is", FilterOperator.NotMatches, "is")]
    [InlineData("and == or", "and", FilterOperator.Equal, "or")]
    [InlineData("((  (A == b))  )", "A", FilterOperator.Equal, "b")]
    public void Parse_OfAComparison_ReadsItsParts(string filter, string path, object comparison, string value)
    {
        var match = Assert.IsType<MatchExpression>(FilterParser.Parse(filter));
        Assert.Equal((path, (FilterOperator)comparison, value), (match.Path, match.Operator, match.Value));
    }

    [Fact]
    public void Parse_OfAMixture_BindsNotThenAndThenOr()
    {
        var any = Assert.IsType<AnyExpression>(FilterParser.Parse("a == 1 and not b == 2 and c == 3 or (d == 4 or e == 5)"));
        Assert.Equal(2, any.Parts.Length);
        var all = Assert.IsType<AllExpression>(any.Parts[0]);
        Assert.Equal(3, all.Parts.Length);
        Assert.IsType<NotExpression>(all.Parts[1]);
        Assert.IsType<AnyExpression>(any.Parts[1]);
    }

    [Fact]
    public void Parse_OfTooMuch_Refuses()
    {
        Assert.Contains("longer than", Assert.Throws<FilterException>(() => FilterParser.Parse(new string('a', 8193))).Message, StringComparison.Ordinal);
        var deep = new string('(', 4000);
        Assert.Contains("nested deeper", Assert.Throws<FilterException>(() => FilterParser.Parse(deep)).Message, StringComparison.Ordinal);
        var nots = string.Concat(Enumerable.Repeat("not ", 1500));
        Assert.Contains("nested deeper", Assert.Throws<FilterException>(() => FilterParser.Parse(nots + "a == b")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_OfManyUnclosedParentheses_TakesLinearTime()
    {
        // Read naively, each level is read twice by the next, 2^190 times in all.
        var filter = new string('(', 190) + "a == b";
        Assert.EndsWith("Unmatched parentheses", Assert.Throws<FilterException>(() => FilterParser.Parse(filter)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0", 0L)]
    [InlineData("-5", -5L)]
    [InlineData("+9101", 9101L)]
    [InlineData("0x238d", 9101L)]
    [InlineData("9_101", 9101L)]
    [InlineData("0o17", 15L)]
    [InlineData("017", 15L)]
    [InlineData("0b_101", 5L)]
    [InlineData("9223372036854775807", long.MaxValue)]
    [InlineData("-9223372036854775808", long.MinValue)]
    public void TryParseInt_OfANumber_ReadsItAsGo(string text, long number)
    {
        Assert.True(GoText.TryParseInt(text, out var read, out _));
        Assert.Equal(number, read);
    }

    [Theory]
    [InlineData("abc", "invalid syntax")]
    [InlineData("", "invalid syntax")]
    [InlineData("-", "invalid syntax")]
    [InlineData("09101", "invalid syntax")]
    [InlineData("1.5", "invalid syntax")]
    [InlineData("_1", "invalid syntax")]
    [InlineData("1_", "invalid syntax")]
    [InlineData("1__0", "invalid syntax")]
    [InlineData("0x", "invalid syntax")]
    [InlineData("99999999999999999999", "value out of range")]
    [InlineData("9223372036854775808", "value out of range")]
    [InlineData("0xffffffffffffffffffffffffffffffffffffff", "value out of range")]
    public void TryParseInt_OfNoNumber_SaysWhatGoSays(string text, string problem)
    {
        Assert.False(GoText.TryParseInt(text, out _, out var said));
        Assert.Equal($"strconv.ParseInt: parsing \"{text}\": {problem}", said);
    }
}
