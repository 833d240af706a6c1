namespace MeshClient.Core.Intentions;

/// <summary>What one header has to be, ready to be compared with requests.</summary>
/// <remarks>
/// A header may come in several lines, and a receiver may read the first, the last or all of them. The value is all of them
/// joined, as with Envoy. So that nobody gets by a rule with one more line, a line alone can be reason enough to refuse: one
/// that a denying permission is about, or one that an allowing permission wants not to be there.
/// </remarks>
internal sealed class CompiledHeader
{
    private readonly HeaderMatch _match;
    private readonly LinearExpression? _expression;
    private readonly StringComparison _comparison;
    private readonly bool _denies;
    private readonly int _place;

    public CompiledHeader(HeaderMatch match, IntentionAction action, int place)
    {
        _match = match;
        _place = place;
        _denies = action == IntentionAction.Deny;
        _comparison = match.IgnoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        IsBroken = match.Kind == HeaderMatchKind.Regex
            ? !LinearExpression.TryCompile(match.Value, match.IgnoreCase, out _expression)
            : !Enum.IsDefined(match.Kind);
    }

    /// <summary>
    /// Whether its expression does not compile, or its comparison is not known here: only a denying permission gets to compare
    /// with it then, and it has to match.
    /// </summary>
    public bool IsBroken { get; }

    public string Name => _match.Name;

    public bool Matches<THeaders>(in THeaders headers, ref HeaderCache cache)
        where THeaders : IHeaderLookup
    {
        if (IsBroken)
        {
            return true;
        }

        // Lines are there only of a header that is there.
        if (cache.Find(_place, _match.Name, headers) is not { } value)
        {
            return _match.Invert && (_denies || _match.Kind == HeaderMatchKind.Present);
        }

        var whole = Matches(value);
        return _denies
            ? whole || HasLine(headers, thatMatches: true)
            : whole && !(_match.Invert && HasLine(headers, thatMatches: false));
    }

    private bool HasLine<THeaders>(in THeaders headers, bool thatMatches)
        where THeaders : IHeaderLookup
    {
        // Of a single line the whole value has been looked at.
        if (headers.FindLine(_match.Name, 1) is null)
        {
            return false;
        }

        for (var i = 0; headers.FindLine(_match.Name, i) is { } line; i++)
        {
            if (Matches(line) == thatMatches)
            {
                return true;
            }
        }

        return false;
    }

    private bool Matches(string value)
    {
        var matches = _match.Kind switch
        {
            HeaderMatchKind.Present => true,
            HeaderMatchKind.Exact => string.Equals(value, _match.Value, _comparison),
            HeaderMatchKind.Prefix => value.StartsWith(_match.Value, _comparison),
            HeaderMatchKind.Suffix => value.EndsWith(_match.Value, _comparison),
            HeaderMatchKind.Contains => value.Contains(_match.Value, _comparison),
            _ => _expression!.IsMatch(value),
        };
        return matches != _match.Invert;
    }
}
