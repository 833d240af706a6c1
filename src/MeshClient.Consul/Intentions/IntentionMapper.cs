using MeshClient.Consul.Model;
using MeshClient.Core;
using MeshClient.Core.Intentions;

namespace MeshClient.Consul.Intentions;

/// <summary>
/// Makes intentions out of Consul's. What is not understood never opens anything: an allowing rule with a requirement that
/// cannot be checked becomes a denying one, or a permission that does not match.
/// </summary>
internal static class IntentionMapper
{
    private const string OwnNamespace = "default";

    /// <summary>Maps an intention.</summary>
    /// <param name="document">What Consul has.</param>
    /// <param name="problem">Why it says nothing about callers of this mesh, when the result is null.</param>
    public static Intention? TryMap(IntentionDocument document, out string problem)
    {
        problem = string.Empty;
        if (string.IsNullOrEmpty(document.SourceName) || string.IsNullOrEmpty(document.DestinationName))
        {
            problem = "it names no source or no destination";
            return null;
        }

        // Such a source is a service of another cluster; one of the same name here is another service.
        if (!string.IsNullOrEmpty(document.SourcePeer) || !string.IsNullOrEmpty(document.SourceSamenessGroup))
        {
            problem = "its source is in a peered cluster, and those are not supported";
            return null;
        }

        // Names here stand for services of one namespace. The namesake of another is another service: a rule that opens
        // something to it must not open it to ours, and one with permissions must not hide a stricter one with a wildcard. An
        // outright denial cannot do either.
        var action = ReadAction(document.Action);
        if (IsOfAnotherNamespace(document) && (action == IntentionAction.Allow || document.Permissions is { Length: > 0 }))
        {
            problem = "its source or destination is in another namespace or partition, and those are not supported";
            return null;
        }

        // In a mode that is not known it may be meant to be in force or not: it allows nothing, in force.
        var isUnderstood = JwtRequirementJson.TryRead(document.Jwt, out var jwt)
            & IntentionModeMeta.TryParse(document.Meta?.GetValueOrDefault(IntentionModeMeta.Key), out var mode);
        return new Intention
        {
            Id = string.IsNullOrEmpty(document.ID) ? $"{document.SourceName}->{document.DestinationName}" : document.ID,
            Source = document.SourceName,
            Destination = document.DestinationName,
            Action = !isUnderstood ? IntentionAction.Deny : document.Permissions is { Length: > 0 } ? null : action,
            Permissions = document.Permissions is { Length: > 0 } permissions && isUnderstood
                ? EquatableArray.From(permissions.Select(MapPermission))
                : [],
            Jwt = jwt,
            Mode = mode,
        };
    }

    private static bool IsOfAnotherNamespace(IntentionDocument document) =>
        !IsOurs(document.SourceNS) || !IsOurs(document.SourcePartition)
        || !IsOurs(document.DestinationNS) || !IsOurs(document.DestinationPartition);

    private static bool IsOurs(string? part) => string.IsNullOrEmpty(part) || part is OwnNamespace or Intention.Wildcard;

    private static IntentionPermission MapPermission(PermissionDocument? document)
    {
        if (document is null)
        {
            return new IntentionPermission { Action = IntentionAction.Deny };
        }

        var http = document.Http;
        var headers = http?.Header ?? [];
        var unsupported = !JwtRequirementJson.TryRead(document.Jwt, out var jwt)
            || JsonContent.IsAny(document.Unknown)
            || JsonContent.IsAny(http?.Unknown)
            || new[] { http?.PathExact, http?.PathPrefix, http?.PathRegex }.Count(path => !string.IsNullOrEmpty(path)) > 1
            || headers.Any(header => header is null || !IsUnderstood(header))
            // Those are left out below, and a list that has become empty would mean any method.
            || (http?.Methods ?? []).Any(method => method is null);
        return new IntentionPermission
        {
            Action = ReadAction(document.Action) ?? IntentionAction.Deny,
            PathExact = NullIfEmpty(http?.PathExact),
            PathPrefix = NullIfEmpty(http?.PathPrefix),
            PathRegex = NullIfEmpty(http?.PathRegex),
            Methods = EquatableArray.From((http?.Methods ?? []).OfType<string>().Select(method => method.ToUpperInvariant())),
            Headers = EquatableArray.From(headers.OfType<HeaderDocument>().Where(IsUnderstood).Select(MapHeader)),
            Jwt = jwt,
            HasUnsupportedRequirement = unsupported,
        };
    }

    private static HeaderMatch MapHeader(HeaderDocument document)
    {
        var (kind, value) = Matchers(document).First();
        return new HeaderMatch(document.Name!, kind, value, document.Invert == true, document.IgnoreCase == true);
    }

    private static bool IsUnderstood(HeaderDocument document) =>
        !string.IsNullOrEmpty(document.Name) && !JsonContent.IsAny(document.Unknown) && Matchers(document).Count() == 1;

    private static IEnumerable<(HeaderMatchKind Kind, string Value)> Matchers(HeaderDocument document)
    {
        if (document.Present == true)
        {
            yield return (HeaderMatchKind.Present, string.Empty);
        }

        foreach (var (kind, value) in new[]
        {
            (HeaderMatchKind.Exact, document.Exact),
            (HeaderMatchKind.Prefix, document.Prefix),
            (HeaderMatchKind.Suffix, document.Suffix),
            (HeaderMatchKind.Contains, document.Contains),
            (HeaderMatchKind.Regex, document.Regex),
        })
        {
            if (!string.IsNullOrEmpty(value))
            {
                yield return (kind, value);
            }
        }
    }

    private static IntentionAction? ReadAction(string? text) => text switch
    {
        "allow" => IntentionAction.Allow,
        "deny" => IntentionAction.Deny,
        _ => null,
    };

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
