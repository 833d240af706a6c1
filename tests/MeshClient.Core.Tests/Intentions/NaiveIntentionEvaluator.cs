using System.Text.RegularExpressions;
using MeshClient.Core.Intentions;

namespace MeshClient.Core.Tests.Intentions;

/// <summary>
/// The rules of Consul's intentions written down as plainly as can be, to compare the real evaluator with: list, sort, take
/// the first. A condition is true, false, or unknown (null) when it cannot be checked; an unknown one never lets anybody in.
/// </summary>
internal static class NaiveIntentionEvaluator
{
    public static (IntentionAction Action, string Rule) DecideConnection(
        IntentionSnapshot snapshot, IntentionAction defaultAction, string source)
    {
        if (Deciding(snapshot, source) is not { } intention)
        {
            return (defaultAction, "default");
        }

        return intention.Permissions.Count > 0
            ? (IntentionAction.Deny, intention.Id)
            : (intention.Action!.Value, intention.Id);
    }

    public static (IntentionAction Action, string Rule) DecideRequest(
        IntentionSnapshot snapshot,
        IntentionAction defaultAction,
        string source,
        string method,
        string path,
        IReadOnlyDictionary<string, string> headers)
    {
        if (Deciding(snapshot, source) is not { } intention)
        {
            return (defaultAction, "default");
        }

        if (intention.Permissions.Count == 0)
        {
            return (intention.Action!.Value, intention.Id);
        }

        for (var i = 0; i < intention.Permissions.Count; i++)
        {
            var permission = intention.Permissions[i];
            var matches = Matches(permission, method, path, headers);
            if (permission.Action == IntentionAction.Allow ? matches == true : matches != false)
            {
                return (permission.Action, $"{intention.Id}#{i + 1}");
            }
        }

        return (defaultAction, "default");
    }

    private static Intention? Deciding(IntentionSnapshot snapshot, string source) => snapshot.Intentions
        .Where(i => string.Equals(i.Destination, snapshot.Destination.Value, StringComparison.OrdinalIgnoreCase) || i.Destination == "*")
        .Where(i => i.Source == source || i.Source == "*")
        .OrderByDescending(i => (i.Source == "*", i.Destination == "*") switch
        {
            (false, false) => 9,
            (true, false) => 8,
            (false, true) => 6,
            (true, true) => 5,
        })
        .FirstOrDefault();

    private static bool? Matches(
        IntentionPermission permission, string method, string path, IReadOnlyDictionary<string, string> headers)
    {
        var conditions = new List<bool?>
        {
            permission.HasUnsupportedRequirement ? null : true,
            permission.PathExact is null || permission.PathExact == path,
            permission.PathPrefix is null || path.StartsWith(permission.PathPrefix, StringComparison.Ordinal),
            permission.PathRegex is null ? true : MatchesWhole(permission.PathRegex, path, false),
            permission.Methods.Count == 0 || permission.Methods.Contains(method),
        };
        conditions.AddRange(permission.Headers.Select(header => Matches(header, headers, permission.Action)));
        return conditions.Contains(false) ? false : conditions.Contains(null) ? null : true;
    }

    private static bool? Matches(HeaderMatch match, IReadOnlyDictionary<string, string> headers, IntentionAction action)
    {
        var value = headers.FirstOrDefault(h => string.Equals(h.Key, match.Name, StringComparison.OrdinalIgnoreCase)).Value;
        if (value is null && match.Invert && match.Kind != HeaderMatchKind.Present)
        {
            // Nothing is there to be compared: unknown, so that it denies and does not allow.
            return action == IntentionAction.Deny;
        }

        var how = match.IgnoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        bool? matches = match.Kind switch
        {
            HeaderMatchKind.Present => value is not null,
            HeaderMatchKind.Exact => string.Equals(value, match.Value, how),
            HeaderMatchKind.Prefix => value is not null && value.StartsWith(match.Value, how),
            HeaderMatchKind.Suffix => value is not null && value.EndsWith(match.Value, how),
            HeaderMatchKind.Contains => value is not null && value.Contains(match.Value, how),
            HeaderMatchKind.Regex => MatchesWhole(match.Value, value, match.IgnoreCase),
            _ => null,
        };
        return match.Invert ? !matches : matches;
    }

    private static bool? MatchesWhole(string pattern, string? text, bool ignoreCase)
    {
        var options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline
            | (ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None);
        try
        {
            _ = new Regex(pattern, options);
            return text is not null && Regex.IsMatch(text, $@"\A(?:{pattern})\z", options);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }
}
