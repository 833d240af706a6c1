using System.Globalization;
using System.Text;

namespace MeshClient.Server.Filters;

/// <summary>Texts and numbers as Go programs read and write them (pkg.go.dev/strconv).</summary>
internal static class GoText
{
    /// <summary>A text in quotes, as in Go's errors.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            quoted.Append(c switch
            {
                '"' => "\\\"",
                '\\' => @"\\",
                '\n' => @"\n",
                '\r' => @"\r",
                '\t' => @"\t",
                _ when char.IsControl(c) => $"\\x{(int)c:x2}",
                _ => c.ToString(),
            });
        }

        return quoted.Append('"').ToString();
    }

    /// <summary>What stands between double quotes, with its escapes resolved; null when it is no Go string.</summary>
    public static string? Unescape(string content)
    {
        if (!content.AsSpan().ContainsAny('\\', '\n', '"'))
        {
            return content;
        }

        // Octal and hexadecimal escapes are bytes, of which several may make a character.
        var bytes = new List<byte>(content.Length);
        for (var i = 0; i < content.Length; i++)
        {
            var c = content[i];
            if (c is '\n' or '"')
            {
                return null;
            }

            if (c != '\\')
            {
                var length = char.IsHighSurrogate(c) && i + 1 < content.Length ? 2 : 1;
                bytes.AddRange(Encoding.UTF8.GetBytes(content.Substring(i, length)));
                i += length - 1;
                continue;
            }

            var used = AppendEscape(content.AsSpan(i + 1), bytes);
            if (used == 0)
            {
                return null;
            }

            i += used;
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>Reads a whole number with base prefixes and underscores, as ParseInt with base 0.</summary>
    /// <param name="text">The text.</param>
    /// <param name="number">What it says.</param>
    /// <param name="problem">What is wrong, in Go's words.</param>
    public static bool TryParseInt(string text, out long number, out string problem)
    {
        number = 0;
        problem = $"strconv.ParseInt: parsing {Quote(text)}: invalid syntax";
        var digits = text.AsSpan();
        var negative = digits is ['-', ..];
        if (digits is ['-' or '+', ..])
        {
            digits = digits[1..];
        }

        var (radix, prefix) = digits switch
        {
            ['0', 'x' or 'X', ..] => (16, 2),
            ['0', 'b' or 'B', ..] => (2, 2),
            ['0', 'o' or 'O', ..] => (8, 2),
            ['0', _, ..] => (8, 1),
            _ => (10, 0),
        };
        if (!UnderscoresAreFine(digits, prefix))
        {
            return false;
        }

        var magnitude = default(UInt128);
        var any = false;
        foreach (var c in digits[prefix..])
        {
            if (c == '_')
            {
                continue;
            }

            var digit = char.IsAsciiHexDigit(c) ? int.Parse([c], NumberStyles.HexNumber, CultureInfo.InvariantCulture) : radix;
            if (digit >= radix)
            {
                return false;
            }

            any = true;
            // Once out of range it stays so; the text is short, but the digits may be many.
            magnitude = magnitude > ulong.MaxValue ? magnitude : (magnitude * (UInt128)radix) + (UInt128)digit;
        }

        if (!any)
        {
            return false;
        }

        if (magnitude > (UInt128)long.MaxValue + (negative ? UInt128.One : UInt128.Zero))
        {
            problem = $"strconv.ParseInt: parsing {Quote(text)}: value out of range";
            return false;
        }

        number = negative ? (long)-(Int128)magnitude : (long)magnitude;
        return true;
    }

    /// <summary>Reads a truth value, as ParseBool.</summary>
    public static bool TryParseBool(string text, out bool value, out string problem)
    {
        value = text is "1" or "t" or "T" or "TRUE" or "true" or "True";
        problem = $"strconv.ParseBool: parsing {Quote(text)}: invalid syntax";
        return value || text is "0" or "f" or "F" or "FALSE" or "false" or "False";
    }

    // Between digits, and between a prefix and a digit.
    private static bool UnderscoresAreFine(ReadOnlySpan<char> digits, int prefix)
    {
        for (var i = 0; i < digits.Length; i++)
        {
            if (digits[i] == '_' && (i == 0 || i < prefix || i + 1 == digits.Length || digits[i - 1] == '_'))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Appends what an escape stands for.</summary>
    /// <returns>How many characters after the backslash it takes; 0: it is none.</returns>
    private static int AppendEscape(ReadOnlySpan<char> rest, List<byte> bytes)
    {
        if (rest.IsEmpty)
        {
            return 0;
        }

        var simple = "abfnrtv\\".IndexOf(rest[0], StringComparison.Ordinal);
        if (simple >= 0)
        {
            bytes.Add((byte)"\a\b\f\n\r\t\v\\"[simple]);
            return 1;
        }

        var (start, length, radix) = rest[0] switch
        {
            'x' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            >= '0' and <= '7' => (0, 3, 8),
            _ => (0, 0, 0),
        };
        if (length == 0 || rest.Length < start + length)
        {
            return 0;
        }

        long value = 0;
        foreach (var c in rest.Slice(start, length))
        {
            var digit = char.IsAsciiHexDigit(c) ? int.Parse([c], NumberStyles.HexNumber, CultureInfo.InvariantCulture) : radix;
            if (digit >= radix)
            {
                return 0;
            }

            value = (value * radix) + digit;
        }

        if (length is 2 or 3)
        {
            if (value > byte.MaxValue)
            {
                return 0;
            }

            bytes.Add((byte)value);
        }
        else if (Rune.IsValid(value > int.MaxValue ? -1 : (int)value))
        {
            bytes.AddRange(Encoding.UTF8.GetBytes(new Rune((int)value).ToString()));
        }
        else
        {
            return 0;
        }

        return start + length;
    }
}
