using System.Collections.Immutable;
using System.Globalization;

namespace MeshClient.Resilience;

/// <summary>
/// The endpoints of an instance that may be executed twice (RFC 9110, section 9.2.2: idempotent), as the instance says itself in its
/// metadata. Immutable.
/// </summary>
/// <remarks>
/// Written as <see cref="EndpointPattern"/>s with a bar between them, under <c>meshclient-idempotent</c>, and what has no room
/// there under <c>meshclient-idempotent-2</c> to <c>-8</c>. Consul takes 64 pairs, keys of letters, digits, <c>-</c> and <c>_</c>, and 512 bytes
/// of a value (agent/structs/structs.go, ValidateServiceMetadata).
/// What cannot be read marks nothing, nor does what goes beyond the bounds; so a reader does bounded work whoever wrote it.
/// A path is not looked for that the receiver could take for another one: with a dot segment in it, or with an escaped dot, slash or
/// backslash, which some servers and proxies take for what they stand for.
/// </remarks>
internal sealed class IdempotentEndpoints
{
    public const string MetaKey = "meshclient-idempotent";

    /// <summary>The most that is written of an instance's endpoints, and the most that is read.</summary>
    public const int MaxEndpoints = 128;

    public const int MaxPairs = 64;
    public const int MaxValueLength = 512;
    public const int MaxValues = 8;

    private const char Separator = '|';
    private const int MostShown = 80;

    public static readonly IdempotentEndpoints None = new([]);

    private static readonly string[] Keys =
        [.. Enumerable.Range(1, MaxValues).Select(number => number == 1 ? MetaKey : string.Create(CultureInfo.InvariantCulture, $"{MetaKey}-{number}"))];

    private readonly EndpointPattern[] _patterns;

    private IdempotentEndpoints(EndpointPattern[] patterns) => _patterns = patterns;

    public int Count => _patterns.Length;

    /// <summary>Reads what an instance says.</summary>
    /// <param name="meta">Its metadata.</param>
    /// <param name="problem">What of it is not used, and why; null: nothing.</param>
    public static IdempotentEndpoints Read(ImmutableSortedDictionary<string, string> meta, out string? problem)
    {
        problem = null;
        var patterns = new List<EndpointPattern>();
        foreach (var value in ValuesOf(meta))
        {
            if (value.Length > MaxValueLength)
            {
                problem = $"a value has {value.Length} characters, more than {MaxValueLength}";
                continue;
            }

            foreach (var text in value.Split(Separator))
            {
                if (!EndpointPattern.TryParseSimple(text, out var pattern))
                {
                    problem = $"'{Printable(text)}' is no endpoint";
                }
                else if (patterns.Count == MaxEndpoints)
                {
                    problem = $"there are more than {MaxEndpoints}";
                }
                else
                {
                    patterns.Add(pattern);
                }
            }
        }

        return patterns.Count == 0 ? None : new IdempotentEndpoints([.. patterns]);
    }

    /// <summary>Writes endpoints as metadata.</summary>
    /// <param name="patterns">The endpoints.</param>
    /// <param name="pairs">How many pairs there is room for.</param>
    /// <param name="leftOut">Those that have no room.</param>
    public static ImmutableSortedDictionary<string, string> Write(
        IEnumerable<string> patterns, int pairs, out IReadOnlyList<string> leftOut)
    {
        var values = new List<string>();
        var rest = new List<string>();
        var written = 0;
        foreach (var pattern in patterns)
        {
            if (written == MaxEndpoints || pattern.Length > MaxValueLength)
            {
                rest.Add(pattern);
            }
            else if (values.Count > 0 && values[^1].Length + 1 + pattern.Length <= MaxValueLength)
            {
                values[^1] += Separator + pattern;
                written++;
            }
            else if (values.Count < Math.Min(pairs, MaxValues))
            {
                values.Add(pattern);
                written++;
            }
            else
            {
                rest.Add(pattern);
            }
        }

        leftOut = rest;
        return values.Select((value, place) => KeyValuePair.Create(Keys[place], value)).ToImmutableSortedDictionary(StringComparer.Ordinal);
    }

    /// <summary>What an instance says, unread.</summary>
    public static IEnumerable<string> ValuesOf(ImmutableSortedDictionary<string, string> meta)
    {
        foreach (var key in Keys)
        {
            if (!meta.TryGetValue(key, out var value))
            {
                yield break;
            }

            yield return value;
        }
    }

    /// <summary>Whether two instances say the same.</summary>
    public static bool AreSame(ImmutableSortedDictionary<string, string> one, ImmutableSortedDictionary<string, string> other)
    {
        if (ReferenceEquals(one, other))
        {
            return true;
        }

        foreach (var key in Keys)
        {
            var isThere = one.TryGetValue(key, out var value);
            if (isThere != other.TryGetValue(key, out var otherValue) || !string.Equals(value, otherValue, StringComparison.Ordinal))
            {
                return false;
            }

            if (!isThere)
            {
                break;
            }
        }

        return true;
    }

    /// <summary>Whether a request goes to one of them.</summary>
    public bool Contain(HttpRequestMessage request)
    {
        if (_patterns.Length == 0)
        {
            return false;
        }

        var path = EndpointPattern.PathOf(request);
        var method = request.Method.Method;
        foreach (var pattern in _patterns)
        {
            if (pattern.Matches(method, path))
            {
                return IsUnmistakable(path);
            }
        }

        return false;
    }

    // Whoever writes to the registry could begin a log line of their own making, or fill it.
    private static string Printable(string text) =>
        string.Concat((text.Length <= MostShown ? text : text[..MostShown] + "...").Select(c => char.IsControl(c) ? '?' : c));

    private static bool IsUnmistakable(ReadOnlySpan<char> path)
    {
        foreach (var range in path.Split('/'))
        {
            var segment = path[range];
            if (segment is "." or ".." || segment.Contains('\\'))
            {
                return false;
            }

            for (var at = segment.IndexOf('%'); at >= 0; at = segment.IndexOf('%'))
            {
                segment = segment[(at + 1)..];
                if (segment is ['2', 'e' or 'E' or 'f' or 'F', ..] or ['5', 'c' or 'C', ..])
                {
                    return false;
                }
            }
        }

        return true;
    }
}
