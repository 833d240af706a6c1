using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;

namespace MeshClient.Resilience;

/// <summary>
/// Endpoints of a service by method and path, as <see cref="Configuration.MeshRetryOptions.RepeatableEndpoints"/> writes them:
/// <c>POST /quotes/*</c>, <c>/search/**</c>, <c>/package.Service/Method</c>.
/// </summary>
internal sealed class EndpointPattern
{
    private readonly string? _method;
    private readonly Regex _path;

    private EndpointPattern(string? method, string path)
    {
        _method = method;
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
        _path = new Regex(expression.Append("\\z").ToString(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline);
    }

    /// <summary>Reads a pattern.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out EndpointPattern? pattern)
    {
        pattern = null;
        if (text?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is not { Length: 1 or 2 } parts
            || parts[^1] is not ['/', ..] || (parts.Length == 2 && !parts[0].All(char.IsAsciiLetter)))
        {
            return false;
        }

        pattern = new EndpointPattern(parts.Length == 2 ? parts[0] : null, parts[^1]);
        return true;
    }

    /// <summary>Whether a request goes to such an endpoint.</summary>
    public bool Matches(HttpRequestMessage request) =>
        (_method is null || string.Equals(_method, request.Method.Method, StringComparison.OrdinalIgnoreCase))
        && request.RequestUri is { IsAbsoluteUri: true } uri && _path.IsMatch(uri.AbsolutePath);
}
