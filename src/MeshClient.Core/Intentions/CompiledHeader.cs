using System.Text.RegularExpressions;

namespace MeshClient.Core.Intentions;

/// <summary>What one header has to be, ready to be compared with requests.</summary>
/// <remarks>
/// A header may come in several lines, and a receiver may read the first, the last or all of them. The value is all of them
/// joined, as with Envoy. So that nobody gets by a rule with one more line, a line alone can be reason enough to refuse: one
/// that a denying permission is about, or one that an allowing permission wants not to be there.
/// </remarks>
/// <param name="match">What it has to be.</param>
/// <param name="regex">Its compiled expression; null when it has none or it did not compile.</param>
/// <param name="action">What the permission does.</param>
internal sealed class CompiledHeader(HeaderMatch match, Regex? regex, IntentionAction action)
{
    private readonly bool _cannotTell = regex is null && (match.Kind == HeaderMatchKind.Regex || !Enum.IsDefined(match.Kind));

    public bool Matches<THeaders>(in THeaders headers)
        where THeaders : IHeaderLookup
    {
        // An expression that did not compile, or a comparison not known here: only a denying permission gets here with it,
        // and it has to match.
        if (_cannotTell)
        {
            return true;
        }

        var whole = Matches(headers.Find(match.Name));
        return action == IntentionAction.Deny
            ? whole || HasLine(headers, thatMatches: true)
            : whole && !(match.Invert && HasLine(headers, thatMatches: false));
    }

    private bool HasLine<THeaders>(in THeaders headers, bool thatMatches)
        where THeaders : IHeaderLookup
    {
        // Of a single line the whole value has been looked at.
        if (headers.FindLine(match.Name, 1) is null)
        {
            return false;
        }

        for (var i = 0; headers.FindLine(match.Name, i) is { } line; i++)
        {
            if (Matches(line) == thatMatches)
            {
                return true;
            }
        }

        return false;
    }

    private bool Matches(string? value)
    {
        var comparison = match.IgnoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        var matches = value is not null && match.Kind switch
        {
            HeaderMatchKind.Present => true,
            HeaderMatchKind.Exact => string.Equals(value, match.Value, comparison),
            HeaderMatchKind.Prefix => value.StartsWith(match.Value, comparison),
            HeaderMatchKind.Suffix => value.EndsWith(match.Value, comparison),
            HeaderMatchKind.Contains => value.Contains(match.Value, comparison),
            _ => regex!.IsMatch(value),
        };
        return matches != match.Invert;
    }
}
