using System.Text;

namespace MeshClient.Core.Intentions;

/// <summary>The text that everything an expression matches begins with, as far as it is easily seen; it is often the most of it.</summary>
internal readonly struct LiteralStart
{
    private readonly string _text;
    private readonly bool _isAscii;
    private readonly bool _isAll;
    private readonly bool _takesAnyRest;

    private LiteralStart(string text, string rest)
    {
        _text = text;
        _isAscii = Ascii.IsValid(text);
        _isAll = rest is "" or "$";
        _takesAnyRest = rest is ".*" or ".*$";
    }

    /// <summary>Reads it out of an expression that compiles.</summary>
    public static LiteralStart Of(string pattern)
    {
        var text = new StringBuilder();
        var i = pattern.StartsWith('^') ? 1 : 0;
        if (!HasAlternatives(pattern))
        {
            while (TryReadLiteral(pattern, i, out var literal, out var length))
            {
                text.Append(literal);
                i += length;
            }
        }

        return new LiteralStart(text.ToString(), pattern[i..]);
    }

    /// <summary>Whether the text matches, where that can be told from its beginning; else null.</summary>
    public bool? Settle(ReadOnlySpan<char> text) =>
        !text.StartsWith(_text, StringComparison.Ordinal) ? false
        : _takesAnyRest ? true
        : _isAll ? text.Length == _text.Length
        : null;

    /// <summary>Whether the text may match without regard to case, by its beginning.</summary>
    public bool MayBeginIgnoringCase(ReadOnlySpan<char> text)
    {
        if (text.StartsWith(_text, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        // Expressions take more for the same letter than comparisons of text do (the Kelvin sign for a k), but nothing in ASCII.
        return !_isAscii || !Ascii.IsValid(text[..Math.Min(text.Length, _text.Length)]);
    }

    /// <summary>Whether nothing that begins with a text matches, by that beginning.</summary>
    public bool RulesOut(ReadOnlySpan<char> beginning, bool ignoreCase) => beginning.Length >= _text.Length
        && !(ignoreCase ? MayBeginIgnoringCase(beginning) : beginning.StartsWith(_text, StringComparison.Ordinal));

    // One that no quantifier follows: a repeated one need not be there.
    private static bool TryReadLiteral(string pattern, int at, out char literal, out int length)
    {
        (literal, length) = (PatternText.At(pattern, at), 1);
        if (literal == '\\')
        {
            (literal, length) = (PatternText.At(pattern, at + 1), 2);
            if (!char.IsAscii(literal) || !char.IsPunctuation(literal) && !char.IsSymbol(literal))
            {
                return false;
            }
        }
        else if (literal == '\0' || ".[](){}*+?|^$".Contains(literal, StringComparison.Ordinal))
        {
            return false;
        }

        return PatternText.At(pattern, at + length) is not ('*' or '+' or '?' or '{');
    }

    // Alternatives of the whole expression; those in parentheses come after the beginning.
    private static bool HasAlternatives(string pattern)
    {
        var depth = 0;
        foreach (var (_, character, isInClass) in PatternText.Unescaped(pattern))
        {
            depth += isInClass ? 0 : character == '(' ? 1 : character == ')' ? -1 : 0;
            if (character == '|' && !isInClass && depth == 0)
            {
                return true;
            }
        }

        return false;
    }
}
