using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace MeshClient.Server.AccessControl.Rules;

/// <summary>
/// Reads the part of HCL (version 1) that rules are written in: blocks with quoted labels, assignments, lists, comments,
/// quoted texts with escapes. Here-documents are refused; no rule needs one.
/// </summary>
/// <remarks>By recursive descent with a limit on the depth, so that no text can exhaust the stack.</remarks>
internal sealed class HclReader
{
    private const int MaxDepth = 16;

    private readonly string _text;
    private int _position;

    private HclReader(string text) => _text = text;

    /// <exception cref="RuleTextException">It is no HCL.</exception>
    public static RuleObject Read(string text)
    {
        var reader = new HclReader(text);
        return reader.ReadItems(closedBy: null, depth: 0);
    }

    private bool AtEnd => _position >= _text.Length;

    private RuleObject ReadItems(char? closedBy, int depth)
    {
        if (depth > MaxDepth)
        {
            throw Problem("objects are nested too deeply");
        }

        var items = ImmutableArray.CreateBuilder<RuleItem>();
        while (true)
        {
            SkipBlank();
            if (AtEnd)
            {
                return closedBy is null ? new RuleObject(items.ToImmutable()) : throw Problem("object expected closing RBRACE got: EOF");
            }

            if (_text[_position] == closedBy)
            {
                _position++;
                return new RuleObject(items.ToImmutable());
            }

            items.Add(ReadItem(depth));
            SkipBlank();
            if (!AtEnd && _text[_position] == ',')
            {
                _position++;
            }
        }
    }

    private RuleItem ReadItem(int depth)
    {
        var keys = ImmutableArray.CreateBuilder<string>();
        while (true)
        {
            SkipBlank();
            if (AtEnd)
            {
                throw Problem(keys.Count == 0 ? "unexpected end of the text" : "an object or an assignment was expected after the key");
            }

            var c = _text[_position];
            if (keys.Count > 0 && c == '{')
            {
                _position++;
                return new RuleItem(keys.ToImmutable(), ReadItems('}', depth + 1));
            }

            if (keys.Count == 1 && c == '=')
            {
                _position++;
                return new RuleItem(keys.ToImmutable(), ReadValue(depth));
            }

            keys.Add(c == '"' ? ReadQuoted() : IsWordStart(c) ? ReadWord() : throw Problem($"illegal character '{Shown(c)}'"));
        }
    }

    private RuleValue ReadValue(int depth)
    {
        SkipBlank();
        if (AtEnd)
        {
            throw Problem("a value was expected and the text ends");
        }

        var c = _text[_position];
        switch (c)
        {
            case '"':
                return new RuleWord(ReadQuoted());
            case '{':
                _position++;
                return ReadItems('}', depth + 1);
            case '[':
                _position++;
                return ReadList(depth + 1);
            case '<':
                throw Problem("here-documents are not supported");
            default:
                return IsWordPart(c) ? new RuleWord(ReadWord()) : throw Problem($"illegal character '{Shown(c)}'");
        }
    }

    private RuleList ReadList(int depth)
    {
        if (depth > MaxDepth)
        {
            throw Problem("lists are nested too deeply");
        }

        var items = ImmutableArray.CreateBuilder<RuleValue>();
        while (true)
        {
            SkipBlank();
            if (AtEnd)
            {
                throw Problem("list expected closing RBRACK got: EOF");
            }

            if (_text[_position] == ']')
            {
                _position++;
                return new RuleList(items.ToImmutable());
            }

            items.Add(ReadValue(depth));
            SkipBlank();
            if (AtEnd || _text[_position] is not (',' or ']'))
            {
                throw Problem("a comma or the end of the list was expected");
            }

            if (_text[_position] == ',')
            {
                _position++;
            }
        }
    }

    private string ReadWord()
    {
        var start = _position;
        while (!AtEnd && IsWordPart(_text[_position]))
        {
            _position++;
        }

        return _text[start.._position];
    }

    private string ReadQuoted()
    {
        _position++;
        var text = new StringBuilder();
        while (true)
        {
            if (AtEnd || _text[_position] == '\n')
            {
                throw Problem("literal not terminated");
            }

            var c = _text[_position++];
            switch (c)
            {
                case '"':
                    return text.ToString();
                case '\\':
                    text.Append(ReadEscape());
                    break;
                default:
                    text.Append(c);
                    break;
            }
        }
    }

    private string ReadEscape()
    {
        if (AtEnd)
        {
            throw Problem("literal not terminated");
        }

        var c = _text[_position++];
        return c switch
        {
            'n' => "\n",
            't' => "\t",
            'r' => "\r",
            '"' or '\\' => c.ToString(),
            'u' => ReadCode(4),
            'U' => ReadCode(8),
            _ => throw Problem("illegal char escape"),
        };
    }

    private string ReadCode(int digits)
    {
        if (_position + digits > _text.Length
            || !int.TryParse(_text.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
            || !Rune.TryCreate(code, out var rune))
        {
            throw Problem("illegal char escape");
        }

        _position += digits;
        return rune.ToString();
    }

    private void SkipBlank()
    {
        while (!AtEnd)
        {
            var c = _text[_position];
            if (char.IsWhiteSpace(c) || c == '\uFEFF')
            {
                _position++;
            }
            else if (c == '#' || (c == '/' && Next() == '/'))
            {
                var end = _text.IndexOf('\n', _position);
                _position = end < 0 ? _text.Length : end;
            }
            else if (c == '/' && Next() == '*')
            {
                var end = _text.IndexOf("*/", _position + 2, StringComparison.Ordinal);
                _position = end < 0 ? throw Problem("comment not terminated") : end + 2;
            }
            else
            {
                return;
            }
        }
    }

    private char Next() => _position + 1 < _text.Length ? _text[_position + 1] : '\0';

    private static bool IsWordStart(char c) => char.IsAsciiLetter(c) || c == '_';

    private static bool IsWordPart(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '+';

    private static string Shown(char c) => char.IsControl(c) ? $"U+{(int)c:X4}" : c.ToString();

    private RuleTextException Problem(string what)
    {
        var before = _text.AsSpan(0, Math.Min(_position, _text.Length));
        var line = before.Count('\n') + 1;
        var column = before.Length - before.LastIndexOf('\n');
        return new RuleTextException($"At {line}:{column}: {what}");
    }
}
