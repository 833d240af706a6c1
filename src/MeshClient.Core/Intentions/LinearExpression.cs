using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;

namespace MeshClient.Core.Intentions;

/// <summary>
/// A regular expression of an intention, which is written for RE2 and has to match the whole text. Matching takes time linear
/// in the text, and the text that every match begins with is compared first, so that the expression is not run where that
/// settles it. What RE2 and .NET read differently without complaint is refused, because an expression
/// that means something else could open what it should close: in a character class, POSIX names (<c>[[:alpha:]]</c>) and
/// subtraction (<c>[a-z-[aeiou]]</c>, which to RE2 is no subtraction). Left as it is: <c>\d \w \s</c> take all of Unicode
/// here and ASCII there. One longer than <see cref="IntentionLimits.ExpressionLength"/> is refused as well, and so is one that
/// .NET finds too large for its automaton (nested repeats).
/// </summary>
internal sealed partial class LinearExpression
{
    // A dot matches a line end: paths reach us decoded, and a line end in one must not slip by a rule that denies.
    private const RegexOptions Options =
        RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline;

    private readonly Regex _regex;
    private readonly LiteralStart _start;
    private readonly bool _ignoreCase;

    private LinearExpression(Regex regex, LiteralStart start, bool ignoreCase) => (_regex, _start, _ignoreCase) = (regex, start, ignoreCase);

    /// <summary>Whether it matches the whole text.</summary>
    public bool IsMatch(ReadOnlySpan<char> text) => _ignoreCase
        ? _start.MayBeginIgnoringCase(text) && _regex.IsMatch(text)
        : _start.Settle(text) ?? _regex.IsMatch(text);

    /// <summary>Whether nothing that begins with the text can match.</summary>
    public bool RulesOut(ReadOnlySpan<char> beginning) => _start.RulesOut(beginning, _ignoreCase);

    /// <summary>Compiles an expression; false when it is not one.</summary>
    public static bool TryCompile(string pattern, bool ignoreCase, [NotNullWhen(true)] out LinearExpression? expression)
    {
        expression = null;
        if (pattern.Length > IntentionLimits.ExpressionLength || HasOtherMeaning(pattern))
        {
            return false;
        }

        try
        {
            var options = ignoreCase ? Options | RegexOptions.IgnoreCase : Options;
            // Alone first: "a)|(b" is no expression, but would be one between the parentheses that tie it to both ends, and
            // one that is tied to neither.
            _ = new Regex(pattern, options);
            expression = new LinearExpression(new Regex($@"\A(?:{pattern})\z", options), LiteralStart.Of(pattern), ignoreCase);
            return true;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>Compiles an expression that has to match a part of the text only.</summary>
    /// <param name="pattern">The expression.</param>
    /// <param name="regex">The compiled one.</param>
    /// <param name="problem">What is wrong with it.</param>
    public static bool TryCompilePart(string pattern, [NotNullWhen(true)] out Regex? regex, out string problem)
    {
        (regex, problem) = (null, string.Empty);
        if (HasOtherMeaning(pattern))
        {
            problem = "character classes with POSIX names or subtraction are not supported";
            return false;
        }

        foreach (Match repeat in RepeatCount().Matches(pattern))
        {
            if (IsLarge(repeat.Groups[1]) || IsLarge(repeat.Groups[2]))
            {
                problem = $"invalid repeat count: `{repeat.Value}`";
                return false;
            }
        }

        try
        {
            regex = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            return true;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            problem = e.Message;
            return false;
        }
    }

    // RE2 repeats nothing more than a thousand times.
    private static bool IsLarge(Group count) =>
        count.Length > 4 || (count.Length == 4 && int.Parse(count.ValueSpan, CultureInfo.InvariantCulture) > 1000);

    [GeneratedRegex(@"\{([0-9]+)(?:,([0-9]*))?\}", RegexOptions.CultureInvariant)]
    private static partial Regex RepeatCount();

    private static bool HasOtherMeaning(string pattern)
    {
        foreach (var (index, character, isInClass) in PatternText.Unescaped(pattern))
        {
            if (character == '[' && isInClass && (PatternText.At(pattern, index + 1) == ':' || pattern[index - 1] == '-'))
            {
                return true;
            }
        }

        return false;
    }
}
