using System.Text.RegularExpressions;
using MeshClient.Core.Intentions;

namespace MeshClient.Core.Tests.Intentions;

/// <summary>A call, with all that rules may look at.</summary>
internal sealed record NaiveCall(
    string Source,
    string Method,
    string Path,
    IReadOnlyDictionary<string, string> Headers,
    IReadOnlyDictionary<string, string[]> Tokens);

/// <summary>
/// The rules of intentions written down as plainly as can be, to compare the real evaluator with: list, sort, take the first. A
/// condition is true, false, or unknown (null) when it cannot be checked; an unknown one never lets anybody in.
/// </summary>
internal static class NaiveIntentionEvaluator
{
    public static (IntentionOutcome Outcome, string Rule) Decide(
        IntentionSnapshot snapshot, IntentionAction defaultAction, IntentionMode mode, NaiveCall call, bool isConnection)
    {
        var inForce = Decide(Deciding(snapshot, call.Source, tried: false), defaultAction, call, isConnection);
        var first = Deciding(snapshot, call.Source, tried: true);
        if (inForce.Action == IntentionAction.Allow && first?.Mode == IntentionMode.Shadow)
        {
            var tried = Decide(first, defaultAction, call, isConnection);
            if (tried.Action == IntentionAction.Deny)
            {
                return (IntentionOutcome.ShadowDeny, tried.Rule);
            }
        }

        return inForce.Action == IntentionAction.Allow
            ? (IntentionOutcome.Allow, inForce.Rule)
            : (mode == IntentionMode.Shadow ? IntentionOutcome.ShadowDeny : IntentionOutcome.Deny, inForce.Rule);
    }

    private static (IntentionAction Action, string Rule) Decide(
        Intention? intention, IntentionAction defaultAction, NaiveCall call, bool isConnection)
    {
        if (intention is null)
        {
            return (defaultAction, "default");
        }

        if (intention.Action == IntentionAction.Deny)
        {
            return (IntentionAction.Deny, intention.Id);
        }

        if (intention.Jwt is not null && (isConnection || !IsMet(intention.Jwt, call, all: true)))
        {
            return (IntentionAction.Deny, intention.Id);
        }

        if (intention.Action is { } action)
        {
            return (action, intention.Id);
        }

        for (var i = 0; !isConnection && i < intention.Permissions.Count; i++)
        {
            var permission = intention.Permissions[i];
            var matches = Matches(permission, call);
            if (permission.Action == IntentionAction.Allow ? matches == true : matches != false)
            {
                return (permission.Action, $"{intention.Id}#{i + 1}");
            }
        }

        return isConnection ? (IntentionAction.Deny, intention.Id) : (defaultAction, "default");
    }

    private static Intention? Deciding(IntentionSnapshot snapshot, string source, bool tried) => snapshot.Intentions
        .Where(i => tried || i.Mode == IntentionMode.Enforce)
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

    private static bool? Matches(IntentionPermission permission, NaiveCall call)
    {
        var conditions = new List<bool?>
        {
            permission.HasUnsupportedRequirement ? null : true,
            permission.PathExact is null || permission.PathExact == call.Path,
            permission.PathPrefix is null || call.Path.StartsWith(permission.PathPrefix, StringComparison.Ordinal),
            permission.PathRegex is null ? true : MatchesWhole(permission.PathRegex, call.Path, false),
            permission.Methods.Count == 0 || permission.Methods.Contains(call.Method),
            permission.Jwt is null ? true
                : permission.Action == IntentionAction.Allow ? IsMet(permission.Jwt, call, all: true)
                : !permission.Jwt.Providers.Any(provider => call.Tokens.ContainsKey(provider.Name)) ? null
                : IsMet(permission.Jwt, call, all: false),
        };
        conditions.AddRange(permission.Headers.Select(header => Matches(header, call.Headers)));
        return conditions.Contains(false) ? false : conditions.Contains(null) ? null : true;
    }

    private static bool IsMet(JwtRequirement jwt, NaiveCall call, bool all) => jwt.Providers.Any(provider =>
        call.Tokens.TryGetValue(provider.Name, out var claims)
        && (provider.VerifyClaims.Count == 0
            || (all
                ? provider.VerifyClaims.All(claim => claims.Contains($"{string.Join('.', claim.Path)}={claim.Value}"))
                : provider.VerifyClaims.Any(claim => claims.Contains($"{string.Join('.', claim.Path)}={claim.Value}")))));

    private static bool? Matches(HeaderMatch match, IReadOnlyDictionary<string, string> headers)
    {
        var value = headers.FirstOrDefault(h => string.Equals(h.Key, match.Name, StringComparison.OrdinalIgnoreCase)).Value;
        if (value is null && match.Invert && match.Kind != HeaderMatchKind.Present)
        {
            // Nothing is there to be compared.
            return null;
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
