using System.Globalization;

namespace MeshClient.Resilience;

/// <summary>
/// How what is left of a deadline is told from one process to the next: always as the time that is left, so that clocks need
/// not agree.
/// </summary>
/// <remarks>
/// gRPC has its own header (grpc/grpc, doc/PROTOCOL-HTTP2.md, Timeout): at most eight digits and a unit. For all other calls there is
/// no standard; Envoy's header is read as well, so that a service behind such a proxy keeps to the proxy's timeout.
/// </remarks>
internal static class TimeoutHeader
{
    public const string Http = MeshDeadline.HeaderName;
    public const string Grpc = "grpc-timeout";
    public const string Envoy = "x-envoy-expected-rq-timeout-ms";

    private const int GrpcDigits = 8;
    private const long MostGrpcDigits = 99_999_999;

    // As good as for ever, and what a timer still takes: the caller says it, and here a timer is set to it.
    private const long LongestMilliseconds = 1000L * 3600 * 24 * 40;

    // A deadline is mostly told in the first seconds of its life: these need no new text each time.
    private static readonly string?[] Texts = new string?[10_000];

    /// <summary>Writes milliseconds. Less than one is one: nought would say that it is over.</summary>
    public static string Milliseconds(TimeSpan left)
    {
        var milliseconds = Math.Clamp((long)left.TotalMilliseconds, 1, LongestMilliseconds);
        return milliseconds < Texts.Length
            ? Texts[milliseconds] ??= milliseconds.ToString(CultureInfo.InvariantCulture)
            : milliseconds.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Writes it as gRPC does, as exact as the eight digits allow, and never longer than it is.</summary>
    public static string GrpcTimeout(TimeSpan left)
    {
        var milliseconds = Math.Clamp((long)left.TotalMilliseconds, 1, LongestMilliseconds);
        return milliseconds <= MostGrpcDigits
            ? string.Create(CultureInfo.InvariantCulture, $"{milliseconds}m")
            : string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000}S");
    }

    /// <summary>Reads milliseconds; nought or less means that it is over.</summary>
    public static bool TryParseMilliseconds(ReadOnlySpan<char> text, out TimeSpan left)
    {
        left = default;
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds))
        {
            return false;
        }

        left = TimeSpan.FromMilliseconds(Math.Clamp(milliseconds, 0, LongestMilliseconds));
        return true;
    }

    /// <summary>Reads what gRPC writes.</summary>
    public static bool TryParseGrpc(ReadOnlySpan<char> text, out TimeSpan left)
    {
        left = default;
        if (text.Length is < 2 or > GrpcDigits + 1
            || !long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        // Nanoseconds round up: a deadline that is not over must not become one that is.
        long? ticks = text[^1] switch
        {
            'H' => number * TimeSpan.TicksPerHour,
            'M' => number * TimeSpan.TicksPerMinute,
            'S' => number * TimeSpan.TicksPerSecond,
            'm' => number * TimeSpan.TicksPerMillisecond,
            'u' => number * TimeSpan.TicksPerMicrosecond,
            'n' => (number + TimeSpan.NanosecondsPerTick - 1) / TimeSpan.NanosecondsPerTick,
            _ => null,
        };
        left = TimeSpan.FromTicks(Math.Min(ticks ?? 0, LongestMilliseconds * TimeSpan.TicksPerMillisecond));
        return ticks is not null;
    }
}
