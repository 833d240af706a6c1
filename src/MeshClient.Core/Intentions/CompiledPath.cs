namespace MeshClient.Core.Intentions;

/// <summary>The path part of a permission, ready to be compared with requests.</summary>
internal sealed class CompiledPath
{
    // Paths longer than this are rare; theirs is copied to the heap.
    private const int StackLength = 256;

    private readonly string? _exact;
    private readonly string? _prefix;
    private readonly LinearExpression? _expression;
    private readonly string? _pattern;
    private readonly bool _isLoose;
    private readonly StringComparison _comparison;

    public CompiledPath(IntentionPermission permission, bool isLoose)
    {
        _isLoose = isLoose;
        _comparison = isLoose ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        (_exact, _prefix) = (permission.PathExact, permission.PathPrefix);
        _pattern = permission.PathRegex;
        IsBroken = _pattern is not null && !LinearExpression.TryCompile(_pattern, ignoreCase: isLoose, out _expression);
    }

    /// <summary>Whether it has an expression that does not compile. It then takes any path.</summary>
    public bool IsBroken { get; }

    public bool Matches(string path, string? filePath) =>
        MatchesForm(path) || (_isLoose && filePath is not null && MatchesForm(filePath));

    public override string ToString() =>
        _exact is not null ? $"'{_exact}'"
        : _prefix is not null ? $"'{_prefix}' and what begins with it"
        : _pattern is not null ? $"what matches '{_pattern}'"
        : "any";

    // Loosely, a slash at the end may be there or not: routing does not look at it.
    private bool MatchesForm(string path) =>
        MatchesAsIs(path) || (_isLoose && path.Length > 1 && (path[^1] == '/' ? MatchesAsIs(path.AsSpan(..^1)) : MatchesWithSlash(path)));

    private bool MatchesAsIs(ReadOnlySpan<char> path)
    {
        if (_exact is not null)
        {
            return path.Equals(_exact, _comparison);
        }

        return _prefix is not null ? path.StartsWith(_prefix, _comparison) : _expression is null || _expression.IsMatch(path);
    }

    private bool MatchesWithSlash(ReadOnlySpan<char> path)
    {
        if ((_exact ?? _prefix) is { } text)
        {
            return text.Length == path.Length + 1 && text[^1] == '/' && text.AsSpan(..^1).Equals(path, _comparison);
        }

        if (_expression is null)
        {
            return true;
        }

        if (_expression.RulesOut(path))
        {
            return false;
        }

        var withSlash = path.Length < StackLength ? stackalloc char[path.Length + 1] : new char[path.Length + 1];
        path.CopyTo(withSlash);
        withSlash[^1] = '/';
        return _expression.IsMatch(withSlash);
    }
}
