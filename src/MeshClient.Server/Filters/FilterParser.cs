using System.Collections.Immutable;

namespace MeshClient.Server.Filters;

/// <summary>
/// Parses filters in the grammar of Consul: comparisons joined by <c>and</c>, <c>or</c>, <c>not</c> and parentheses, lower
/// case keywords, <c>and</c> before <c>or</c>; values are bare words, numbers, "quoted" or `raw`; selectors are
/// <c>A.B.C</c> or <c>A["k"]</c>. Time is linear in the text: what can be read in two ways is read once.
/// </summary>
internal sealed class FilterParser
{
    /// <summary>How long a filter may be: about what fits into the line of a request.</summary>
    public const int MaxLength = 8192;

    /// <summary>How deep parentheses and <c>not</c> may be nested. Well below what the stack of a thread bears.</summary>
    public const int MaxDepth = 200;

    private static readonly (string[] Words, FilterOperator Operator)[] ValueOperators =
    [
        (["contains"], FilterOperator.In),
        (["not", "contains"], FilterOperator.NotIn),
        (["matches"], FilterOperator.Matches),
        (["not", "matches"], FilterOperator.NotMatches),
    ];

    private static readonly (string[] Words, FilterOperator Operator)[] BareOperators =
        [(["is", "empty"], FilterOperator.IsEmpty), (["is", "not", "empty"], FilterOperator.IsNotEmpty)];

    private static readonly (string[] Words, FilterOperator Operator)[] ContainerOperators =
        [(["in"], FilterOperator.In), (["not", "in"], FilterOperator.NotIn)];

    private readonly FilterScanner _scanner;
    private int _depth;

    private FilterParser(string text) => _scanner = new FilterScanner(text);

    /// <summary>Parses a filter.</summary>
    /// <exception cref="FilterException">It is none.</exception>
    public static FilterExpression Parse(string text)
    {
        if (text.Length > MaxLength)
        {
            throw new FilterException($"The expression is longer than {MaxLength} characters");
        }

        var parser = new FilterParser(text);
        var expression = parser.ParseWhole();
        parser._scanner.ThrowIfFailed(expression is not null);
        return expression!;
    }

    private FilterExpression? ParseWhole()
    {
        _scanner.Whitespace();
        var expression = ParseOr();
        _scanner.Whitespace();
        return expression is not null && _scanner.End() ? expression : null;
    }

    private FilterExpression? ParseOr() => ParseSeries("or", ParseAnd, parts => new AnyExpression(parts));

    private FilterExpression? ParseAnd() => ParseSeries("and", ParseNot, parts => new AllExpression(parts));

    private FilterExpression? ParseSeries(
        string word, Func<FilterExpression?> parse, Func<ImmutableArray<FilterExpression>, FilterExpression> join)
    {
        if (parse() is not { } first)
        {
            return null;
        }

        var parts = ImmutableArray.CreateBuilder<FilterExpression>();
        parts.Add(first);
        while (true)
        {
            var end = _scanner.Position;
            if (_scanner.Whitespace() && _scanner.Literal(word) && _scanner.Whitespace() && parse() is { } next)
            {
                parts.Add(next);
                continue;
            }

            _scanner.Position = end;
            return parts.Count == 1 ? first : join(parts.ToImmutable());
        }
    }

    private FilterExpression? ParseNot()
    {
        if (++_depth > MaxDepth)
        {
            throw new FilterException($"The expression is nested deeper than {MaxDepth} levels");
        }

        try
        {
            var start = _scanner.Position;
            if (_scanner.Literal("not") && _scanner.Whitespace() && ParseNot() is { } part)
            {
                return new NotExpression(part);
            }

            _scanner.Position = start;
            return ParseGroup() ?? ParseMatch();
        }
        finally
        {
            _depth--;
        }
    }

    private FilterExpression? ParseGroup()
    {
        var start = _scanner.Position;
        if (_scanner.Literal("("))
        {
            _scanner.Whitespace();
            if (ParseOr() is { } inner)
            {
                _scanner.Whitespace();
                if (_scanner.Literal(")"))
                {
                    return inner;
                }

                _scanner.Fail("grouping", "Unmatched parentheses", _scanner.Position);
            }
        }

        _scanner.Position = start;
        return null;
    }

    private MatchExpression? ParseMatch()
    {
        var start = _scanner.Position;
        if (ParseSelector() is { } selector)
        {
            var end = _scanner.Position;
            if (ParseComparison() is { } comparison && ParseValue() is { } value)
            {
                return new MatchExpression(selector, comparison, value);
            }

            _scanner.Position = end;
            if (ParseWords(BareOperators, endsWithSpace: false) is { } bare)
            {
                return new MatchExpression(selector, bare, string.Empty);
            }
        }

        _scanner.Position = start;
        if (ParseValue() is { } element && ParseWords(ContainerOperators, endsWithSpace: true) is { } container)
        {
            if (ParseSelector() is { } where)
            {
                return new MatchExpression(where, container, element);
            }

            _scanner.Fail("match", "Invalid selector", _scanner.Position);
        }

        _scanner.Position = start;
        return null;
    }

    private FilterOperator? ParseComparison()
    {
        var start = _scanner.Position;
        foreach (var (sign, comparison) in new[] { ("==", FilterOperator.Equal), ("!=", FilterOperator.NotEqual) })
        {
            _scanner.Whitespace();
            if (_scanner.Literal(sign))
            {
                _scanner.Whitespace();
                return comparison;
            }

            _scanner.Position = start;
        }

        return ParseWords(ValueOperators, endsWithSpace: true);
    }

    private FilterOperator? ParseWords((string[] Words, FilterOperator Operator)[] operators, bool endsWithSpace)
    {
        var start = _scanner.Position;
        foreach (var (words, found) in operators)
        {
            if (words.All(word => _scanner.Whitespace() && _scanner.Literal(word)) && (!endsWithSpace || _scanner.Whitespace()))
            {
                return found;
            }

            _scanner.Position = start;
        }

        return null;
    }

    private ImmutableArray<string>? ParseSelector()
    {
        if (ParseIdentifier() is not { } first)
        {
            return null;
        }

        var path = ImmutableArray.CreateBuilder<string>();
        path.Add(first);
        while (true)
        {
            var end = _scanner.Position;
            if (_scanner.Literal(".") && ParseIdentifier() is { } name)
            {
                path.Add(name);
                continue;
            }

            _scanner.Position = end;
            if (ParseIndex() is { } index)
            {
                path.Add(index);
                continue;
            }

            _scanner.Position = end;
            return path.ToImmutable();
        }
    }

    private string? ParseIdentifier()
    {
        var start = _scanner.Position;
        if (!_scanner.Character(char.IsAsciiLetter, "[a-zA-Z]"))
        {
            return null;
        }

        while (_scanner.Character(c => char.IsAsciiLetterOrDigit(c) || c == '_', "[a-zA-Z0-9_]"))
        {
        }

        return _scanner.Since(start);
    }

    private string? ParseIndex()
    {
        if (!_scanner.Literal("["))
        {
            return null;
        }

        _scanner.Whitespace();
        if (ParseText() is not { } key)
        {
            _scanner.Fail("index", "Invalid index", _scanner.Position);
            return null;
        }

        _scanner.Whitespace();
        if (_scanner.Literal("]"))
        {
            return key;
        }

        _scanner.Fail("index", "Unclosed index expression", _scanner.Position);
        return null;
    }

    private string? ParseValue()
    {
        var start = _scanner.Position;
        if (ParseSelector() is { } word)
        {
            return string.Join('.', word);
        }

        _scanner.Position = start;
        if (ParseNumber() is { } number)
        {
            return number;
        }

        _scanner.Position = start;
        return ParseText();
    }

    private string? ParseNumber()
    {
        var start = _scanner.Position;
        _scanner.Literal("-");
        if (!_scanner.Literal("0"))
        {
            if (!_scanner.Character(c => c is >= '1' and <= '9', "[1-9]"))
            {
                return null;
            }

            SkipDigits();
        }

        var end = _scanner.Position;
        if (!(_scanner.Literal(".") && SkipDigits()))
        {
            _scanner.Position = end;
        }

        var number = _scanner.Since(start);
        end = _scanner.Position;
        var ends = _scanner.Whitespace() || _scanner.End() || _scanner.Literal(")");
        _scanner.Position = end;
        if (ends)
        {
            return number;
        }

        _scanner.Fail("number", "Invalid number literal", end);
        return null;
    }

    private bool SkipDigits()
    {
        var any = false;
        while (_scanner.Character(char.IsAsciiDigit, "[0-9]"))
        {
            any = true;
        }

        return any;
    }

    private string? ParseText()
    {
        var start = _scanner.Position;
        foreach (var quote in (ReadOnlySpan<char>)['`', '"'])
        {
            if (!_scanner.Literal(quote.ToString()))
            {
                continue;
            }

            if (!_scanner.SkipTo(quote))
            {
                _scanner.Fail("string", "Unterminated string literal", _scanner.Position);
                _scanner.Position = start;
                return null;
            }

            var content = _scanner.Since(start + 1);
            _scanner.Literal(quote.ToString());
            if (quote == '`')
            {
                return content.Replace("\r", string.Empty, StringComparison.Ordinal);
            }

            if (GoText.Unescape(content) is { } text)
            {
                return text;
            }

            // A value all the same, so that what follows is looked at as well.
            _scanner.Fail("string", "invalid syntax", start);
            return string.Empty;
        }

        return null;
    }
}
