using System.Text.RegularExpressions;

namespace MeshClient.Core.Intentions;

/// <summary>A permission, ready to be compared with requests.</summary>
internal sealed class CompiledPermission
{
    private readonly IntentionPermission _permission;
    private readonly string[] _methods;
    private readonly Regex? _path;
    private readonly CompiledHeader[] _headers;
    private readonly bool _never;

    public CompiledPermission(IntentionPermission permission, IntentionVerdict verdict, bool isLoose)
    {
        IsLoose = isLoose;
        _permission = permission;
        Verdict = verdict;
        _methods = [.. permission.Methods];
        var broken = false;
        if (permission.PathRegex is { } pathRegex)
        {
            broken |= !LinearExpression.TryCompile(pathRegex, ignoreCase: isLoose, out _path);
        }

        _headers = new CompiledHeader[permission.Headers.Count];
        for (var i = 0; i < _headers.Length; i++)
        {
            var header = permission.Headers[i];
            Regex? regex = null;
            if (header.Kind == HeaderMatchKind.Regex)
            {
                broken |= !LinearExpression.TryCompile(header.Value, header.IgnoreCase, out regex);
            }
            else
            {
                broken |= !Enum.IsDefined(header.Kind);
            }

            _headers[i] = new CompiledHeader(header, regex, permission.Action);
        }

        _never = permission.Action == IntentionAction.Allow && (broken || permission.HasUnsupportedRequirement);
    }

    public IntentionVerdict Verdict { get; }

    /// <summary>Whether it takes a path in every form that may lead to the same place.</summary>
    public bool IsLoose { get; }

    public bool Matches<THeaders>(string method, string path, string? filePath, in THeaders headers)
        where THeaders : IHeaderLookup
    {
        var matchesPath = MatchesPath(path) || (IsLoose && filePath is not null && MatchesPath(filePath));
        if (_never || !matchesPath || !MatchesMethod(method))
        {
            return false;
        }

        foreach (var header in _headers)
        {
            if (!header.Matches(headers))
            {
                return false;
            }
        }

        return true;
    }

    // Without case, though HTTP says with: frameworks route "get" to what serves GET, and a denied method must not get
    // through by its spelling.
    private bool MatchesMethod(string method)
    {
        foreach (var candidate in _methods)
        {
            if (string.Equals(candidate, method, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return _methods.Length == 0;
    }

    private bool MatchesPath(ReadOnlySpan<char> path) =>
        MatchesPathAsIs(path) || (IsLoose && path is [_, .., '/'] && MatchesPathAsIs(path[..^1]));

    private bool MatchesPathAsIs(ReadOnlySpan<char> path)
    {
        var comparison = IsLoose ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        if (_permission.PathExact is { } exact)
        {
            return path.Equals(exact, comparison) || (IsLoose && exact is [_, .., '/'] && path.Equals(exact.AsSpan(..^1), comparison));
        }

        if (_permission.PathPrefix is { } prefix)
        {
            return path.StartsWith(prefix, comparison);
        }

        // A null expression with a pattern is one that did not compile: only a denying permission comes here with it.
        return _path is null || _path.IsMatch(path);
    }
}
