using System.Text;

namespace MeshClient.Server.Filters;

/// <summary>
/// The text of a filter and a place in it, and what would have let the parser get further. Consul's parser is generated from
/// a parsing expression grammar; when nothing matches, it names everything that was tried at the furthest place it got to.
/// To answer with the same sentence, all that is tried has to be recorded here, whatever comes of it.
/// </summary>
internal sealed class FilterScanner(string text)
{
    private const string WhitespaceName = @"[ \t\r\n]";

    private readonly SortedSet<string> _expected = new(StringComparer.Ordinal);
    private readonly List<string> _errors = [];
    private int _furthest;
    private bool _expectsEnd;

    public int Position { get; set; }

    public bool Literal(string literal)
    {
        if (text.AsSpan(Position).StartsWith(literal, StringComparison.Ordinal))
        {
            Position += literal.Length;
            return true;
        }

        Expect($"\"{literal.Replace("\"", "\\\"", StringComparison.Ordinal)}\"");
        return false;
    }

    /// <summary>One character of a kind.</summary>
    public bool Character(Func<char, bool> isOne, string name)
    {
        if (Position < text.Length && isOne(text[Position]))
        {
            Position++;
            return true;
        }

        Expect(name);
        return false;
    }

    public bool Whitespace()
    {
        if (!Character(IsWhitespace, WhitespaceName))
        {
            return false;
        }

        while (Character(IsWhitespace, WhitespaceName))
        {
        }

        return true;
    }

    public bool End()
    {
        if (Position == text.Length)
        {
            return true;
        }

        if (Reaches())
        {
            _expectsEnd = true;
        }

        return false;
    }


    /// <summary>Goes on to a character or to the end.</summary>
    public bool SkipTo(char end)
    {
        var found = text.IndexOf(end, Position);
        Position = found < 0 ? text.Length : found;
        return found >= 0;
    }

    public string Since(int start) => text[start..Position];

    /// <summary>Records what is wrong; the parser goes on, but its outcome does not count any more.</summary>
    public void Fail(string rule, string message, int position)
    {
        var error = $"{Describe(position)}: rule \"{rule}\": {message}";
        if (!_errors.Contains(error, StringComparer.Ordinal))
        {
            _errors.Add(error);
        }
    }

    /// <exception cref="FilterException">Something is wrong.</exception>
    public void ThrowIfFailed(bool parsed)
    {
        if (_errors.Count > 0)
        {
            throw new FilterException(string.Join('\n', _errors));
        }

        if (!parsed)
        {
            throw new FilterException($"{Describe(_furthest)}: no match found, expected: {JoinExpected()}");
        }
    }

    private static bool IsWhitespace(char c) => c is ' ' or '\t' or '\r' or '\n';

    private void Expect(string name)
    {
        if (Reaches())
        {
            _expected.Add(name);
        }
    }

    // Whether a failure here is one at the furthest place; what was expected earlier is forgotten.
    private bool Reaches()
    {
        if (Position < _furthest)
        {
            return false;
        }

        if (Position > _furthest)
        {
            _furthest = Position;
            _expected.Clear();
            _expectsEnd = false;
        }

        return true;
    }

    private string JoinExpected()
    {
        var names = _expectsEnd ? [.. _expected, "EOF"] : _expected.ToList();
        return names.Count > 1 ? $"{string.Join(", ", names.SkipLast(1))} or {names[^1]}" : string.Concat(names);
    }

    // Line and column count characters, the offset bytes. A line end belongs to the line it begins.
    private string Describe(int position)
    {
        var before = text.AsSpan(0, position);
        var line = 1 + before.Count('\n');
        var inLine = before[(before.LastIndexOf('\n') + 1)..];
        var column = 1;
        foreach (var _ in inLine.EnumerateRunes())
        {
            column++;
        }

        if (position < text.Length && text[position] == '\n')
        {
            (line, column) = (line + 1, 0);
        }

        return $"{line}:{column} ({Encoding.UTF8.GetByteCount(before)})";
    }
}
