namespace MeshClient.Resilience;

/// <summary>What may stand between two slashes of a path.</summary>
internal enum SegmentKind
{
    /// <summary>A text, compared with case.</summary>
    Literal,

    /// <summary>Anything, nothing included: <c>*</c>.</summary>
    Any,

    /// <summary>The rest of the path, whatever it is: <c>**</c>.</summary>
    Rest,

    /// <summary>A value, which is not empty: <c>{id}</c>.</summary>
    Value,

    /// <summary>A whole number of at most nine digits: <c>{id:int}</c>.</summary>
    Int,

    /// <summary>A whole number of at most eighteen digits: <c>{id:long}</c>.</summary>
    Long,

    /// <summary>Eight, four, four, four and twelve hexadecimal digits: <c>{id:guid}</c>.</summary>
    Guid,

    /// <summary>Letters of ASCII: <c>{name:alpha}</c>.</summary>
    Alpha,

    /// <summary>True or false: <c>{flag:bool}</c>.</summary>
    Bool,
}

/// <summary>One segment of an <see cref="EndpointPattern"/>.</summary>
/// <remarks>
/// The kinds with a name are those of ASP.NET Core's route constraints, and each takes a part of what the constraint takes, never
/// more: no white space, no sign but a minus, no number near the end of its range.
/// </remarks>
internal readonly record struct EndpointSegment(SegmentKind Kind, string Text)
{
    private const int IntDigits = 9;
    private const int LongDigits = 18;

    /// <summary>Reads one.</summary>
    public static bool TryParse(string text, out EndpointSegment segment)
    {
        segment = new(SegmentKind.Literal, text);
        if (text.AsSpan().IndexOfAny('{', '}') < 0)
        {
            segment = text switch
            {
                "*" => new(SegmentKind.Any, text),
                "**" => new(SegmentKind.Rest, text),
                _ => segment,
            };
            return true;
        }

        if (text is not ['{', .. var inner, '}'] || !inner.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or ':'))
        {
            return false;
        }

        var parts = inner.Split(':');
        if (parts.Length > 2 || KindOf(parts.ElementAtOrDefault(1)) is not { } kind)
        {
            return false;
        }

        segment = new(kind, text);
        return true;
    }

    /// <summary>Whether a part of a path is such a segment.</summary>
    public bool Matches(ReadOnlySpan<char> part) => Kind switch
    {
        SegmentKind.Literal => part.SequenceEqual(Text),
        SegmentKind.Value => !part.IsEmpty,
        SegmentKind.Int => IsNumber(part, IntDigits),
        SegmentKind.Long => IsNumber(part, LongDigits),
        SegmentKind.Guid => System.Guid.TryParseExact(part, "D", out _),
        SegmentKind.Alpha => !part.IsEmpty && !part.ContainsAnyExcept(Letters.Of),
        SegmentKind.Bool => bool.TryParse(part, out _),
        _ => true,
    };

    private static SegmentKind? KindOf(string? constraint) => constraint switch
    {
        null => SegmentKind.Value,
        "int" => SegmentKind.Int,
        "long" => SegmentKind.Long,
        "guid" => SegmentKind.Guid,
        "alpha" => SegmentKind.Alpha,
        "bool" => SegmentKind.Bool,
        _ => null,
    };

    private static bool IsNumber(ReadOnlySpan<char> part, int digits)
    {
        var number = part is ['-', .. var rest] ? rest : part;
        return !number.IsEmpty && number.Length <= digits && !number.ContainsAnyExceptInRange('0', '9');
    }

    private static class Letters
    {
        public static readonly System.Buffers.SearchValues<char> Of =
            System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    }
}
