using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;

namespace MeshClient.Resilience;

/// <summary>
/// Endpoints of a service by method and path, as <see cref="Configuration.MeshRetryOptions.RepeatableEndpoints"/> and the metadata of
/// instances (<see cref="IdempotentEndpoints"/>) write them: <c>POST /quotes/{id}/preview</c>, <c>/search/**</c>,
/// <c>/package.Service/Method</c>.
/// </summary>
internal sealed class EndpointPattern
{
    private readonly string? _method;
    private readonly EndpointSegment[] _segments;
    private readonly Regex? _expression;

    private EndpointPattern(string? method, EndpointSegment[] segments, Regex? expression)
    {
        _method = method;
        _segments = segments;
        _expression = expression;
    }

    /// <summary>What stands between its slashes; empty for one that is not simple.</summary>
    public IReadOnlyList<EndpointSegment> Segments => _segments;

    /// <summary>Reads a pattern.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out EndpointPattern? pattern) =>
        TryRead(text, isAnyTaken: true, out pattern);

    /// <summary>
    /// Reads a simple one: it can be compared segment by segment, in time that grows with the path only, and to have it takes little
    /// time and memory, whoever wrote it.
    /// </summary>
    public static bool TryParseSimple(string? text, [NotNullWhen(true)] out EndpointPattern? pattern) =>
        TryRead(text, isAnyTaken: false, out pattern);

    /// <summary>Whether a request goes to such an endpoint.</summary>
    public bool Matches(HttpRequestMessage request) => Matches(request.Method.Method, PathOf(request));

    /// <summary>The same by what a request says.</summary>
    /// <param name="method">Its method.</param>
    /// <param name="path">Its path as it is sent, escaped; empty: it has none.</param>
    public bool Matches(string method, ReadOnlySpan<char> path) =>
        (_method is null || string.Equals(_method, method, StringComparison.OrdinalIgnoreCase))
        && path is ['/', .. var rest]
        && (_expression?.IsMatch(path) ?? MatchesSegments(rest));

    /// <summary>The path of a request, as it is sent.</summary>
    /// <remarks>Taken from what the runtime asks for to send it, so that nothing is made for this.</remarks>
    public static ReadOnlySpan<char> PathOf(HttpRequestMessage request)
    {
        if (request.RequestUri is not { IsAbsoluteUri: true } uri)
        {
            return [];
        }

        var pathAndQuery = uri.PathAndQuery.AsSpan();
        var query = pathAndQuery.IndexOf('?');
        return query < 0 ? pathAndQuery : pathAndQuery[..query];
    }

    private static bool TryRead(string? text, bool isAnyTaken, [NotNullWhen(true)] out EndpointPattern? pattern)
    {
        pattern = null;
        if (text?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is not { Length: 1 or 2 } parts
            || parts[^1] is not ['/', .. var path]
            || (parts.Length == 2 && !parts[0].All(c => char.IsAsciiLetter(c) || c == '-')))
        {
            return false;
        }

        var method = parts.Length == 2 ? parts[0] : null;
        var segments = new List<EndpointSegment>();
        foreach (var part in path.Split('/'))
        {
            if (!EndpointSegment.TryParse(part, out var segment))
            {
                return false;
            }

            segments.Add(segment);
        }

        if (segments.SkipLast(1).All(segment => !IsPartly(segment) && segment.Kind != SegmentKind.Rest) && !IsPartly(segments[^1]))
        {
            pattern = new EndpointPattern(method, [.. segments], null);
            return true;
        }

        if (!isAnyTaken || segments.Exists(segment => segment.Kind >= SegmentKind.Value))
        {
            return false;
        }

        pattern = new EndpointPattern(method, [], Compile(parts[^1]));
        return true;
    }

    // A star beside something else.
    private static bool IsPartly(EndpointSegment segment) =>
        segment.Kind == SegmentKind.Literal && segment.Text.Contains('*', StringComparison.Ordinal);

    private static Regex Compile(string path)
    {
        var expression = new StringBuilder("^");
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] != '*')
            {
                expression.Append(Regex.Escape(path[i].ToString()));
                continue;
            }

            var isDouble = i + 1 < path.Length && path[i + 1] == '*';
            expression.Append(isDouble ? ".*" : "[^/]*");
            i += isDouble ? 1 : 0;
        }

        // Without backtracking, so that no path makes it slow.
        return new Regex(expression.Append("\\z").ToString(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline);
    }

    private bool MatchesSegments(ReadOnlySpan<char> rest)
    {
        for (var i = 0; i < _segments.Length - 1; i++)
        {
            var end = rest.IndexOf('/');
            if (end < 0 || !_segments[i].Matches(rest[..end]))
            {
                return false;
            }

            rest = rest[(end + 1)..];
        }

        return _segments[^1].Kind == SegmentKind.Rest || (!rest.Contains('/') && _segments[^1].Matches(rest));
    }
}
