using System.Buffers;
using System.Globalization;
using System.Text;

namespace MeshClient.Server.Api.Json;

/// <summary>
/// A length of time as Go programs write it: <c>1h30m</c>, <c>1.5s</c>, <c>-100ms</c>. Behaves as time.ParseDuration and
/// Duration.String of Go (pkg.go.dev/time): a sign, then decimal numbers with an optional fraction and a unit of ns, us, µs,
/// ms, s, m or h; a bare <c>0</c> needs no unit; past 64 bits of nanoseconds it is invalid.
/// </summary>
/// <param name="Nanoseconds">The length.</param>
internal readonly record struct GoDuration(long Nanoseconds)
{
    private const long Microsecond = 1_000;
    private const long Millisecond = 1_000 * Microsecond;
    private const long Second = 1_000 * Millisecond;
    private const long Minute = 60 * Second;
    private const long Hour = 60 * Minute;
    private const long NanosecondsPerTick = 100;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    public static GoDuration From(TimeSpan span) => new(checked(span.Ticks * NanosecondsPerTick));

    /// <summary>Rounded towards zero to 100 ns.</summary>
    public TimeSpan ToTimeSpan() => new(Nanoseconds / NanosecondsPerTick);

    /// <summary>Reads a duration.</summary>
    /// <param name="text">The text.</param>
    /// <param name="duration">What it says.</param>
    /// <param name="problem">What is wrong, in Go's words.</param>
    public static bool TryParse(string text, out GoDuration duration, out string problem)
    {
        duration = default;
        problem = string.Empty;
        var quoted = Quote(text);
        var rest = text.AsSpan();
        var negative = rest is ['-', ..];
        if (rest is ['-' or '+', ..])
        {
            rest = rest[1..];
        }

        if (rest is "0")
        {
            return true;
        }

        if (rest.IsEmpty)
        {
            problem = $"time: invalid duration {quoted}";
            return false;
        }

        // Counted below zero, where there is room for the one value more that the most negative duration needs.
        long total = 0;
        while (!rest.IsEmpty)
        {
            if (!TryReadNumber(ref rest, out var whole, out var fraction, out var scale))
            {
                problem = $"time: invalid duration {quoted}";
                return false;
            }

            var length = rest.IndexOfAny(NumberCharacters);
            var unitText = length < 0 ? rest : rest[..length];
            if (unitText.IsEmpty)
            {
                problem = $"time: missing unit in duration {quoted}";
                return false;
            }

            var unit = UnitOf(unitText);
            if (unit == 0)
            {
                problem = $"time: unknown unit {Quote(unitText.ToString())} in duration {quoted}";
                return false;
            }

            rest = rest[unitText.Length..];
            try
            {
                checked
                {
                    total -= (whole * unit) + (long)(fraction * (unit / scale));
                }
            }
            catch (OverflowException)
            {
                problem = $"time: invalid duration {quoted}";
                return false;
            }
        }

        if (!negative && total == long.MinValue)
        {
            problem = $"time: invalid duration {quoted}";
            return false;
        }

        duration = new GoDuration(negative ? total : -total);
        return true;
    }

    /// <summary>As Go prints it: <c>1h30m0s</c>, <c>1.5s</c>, <c>100ms</c>, <c>0s</c>.</summary>
    public override string ToString()
    {
        if (Nanoseconds == 0)
        {
            return "0s";
        }

        var left = Nanoseconds < 0 ? (ulong)-(Nanoseconds + 1) + 1 : (ulong)Nanoseconds;
        var text = new StringBuilder(Nanoseconds < 0 ? "-" : string.Empty);
        if (left < Second)
        {
            var (unit, name) = left switch
            {
                < Microsecond => (1L, "ns"),
                < Millisecond => (Microsecond, "µs"),
                _ => (Millisecond, "ms"),
            };
            return text.Append(((decimal)left / unit).ToString("0.######", CultureInfo.InvariantCulture)).Append(name).ToString();
        }

        if (left >= Hour)
        {
            text.Append(CultureInfo.InvariantCulture, $"{left / Hour}h");
        }

        if (left >= Minute)
        {
            text.Append(CultureInfo.InvariantCulture, $"{left % Hour / Minute}m");
        }

        return text.Append(((decimal)(left % Minute) / Second).ToString("0.#########", CultureInfo.InvariantCulture)).Append('s').ToString();
    }

    private static bool TryReadNumber(ref ReadOnlySpan<char> rest, out long whole, out long fraction, out double scale)
    {
        whole = fraction = 0;
        scale = 1;
        var digits = 0;
        for (; !rest.IsEmpty && char.IsAsciiDigit(rest[0]); rest = rest[1..], digits++)
        {
            if (whole > (long.MaxValue - (rest[0] - '0')) / 10)
            {
                return false;
            }

            whole = (whole * 10) + (rest[0] - '0');
        }

        if (rest is not ['.', ..])
        {
            return digits > 0;
        }

        // Go's way to the digit: as many as fit into 64 bits count, and they are scaled in floating point.
        var full = false;
        for (rest = rest[1..]; !rest.IsEmpty && char.IsAsciiDigit(rest[0]); rest = rest[1..], digits++)
        {
            full |= fraction > (long.MaxValue - (rest[0] - '0')) / 10;
            if (!full)
            {
                fraction = (fraction * 10) + (rest[0] - '0');
                scale *= 10;
            }
        }

        return digits > 0;
    }

    private static long UnitOf(ReadOnlySpan<char> unit) => unit switch
    {
        "ns" => 1,
        "us" or "\u00B5s" or "\u03BCs" => Microsecond,
        "ms" => Millisecond,
        "s" => Second,
        "m" => Minute,
        "h" => Hour,
        _ => 0,
    };

    private static string Quote(string text) => "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";
}
