using System.Text.Json;
using MeshClient.Core;
using MeshClient.Core.Intentions;
using MeshClient.Server.Api.Json;
using MeshClient.Server.ConfigEntries;
using MeshClient.Server.Intentions;

namespace MeshClient.Server.Api;

/// <summary>An intention as it was written, before it is judged.</summary>
internal sealed class IntentionInput
{
    public string Description { get; set; } = string.Empty;

    public string Source { get; set; } = string.Empty;

    public string Destination { get; set; } = string.Empty;

    public string SourceType { get; set; } = string.Empty;

    public string Action { get; set; } = string.Empty;

    public EquatableArray<StoredPermission> Permissions { get; set; }

    public string? JwtJson { get; set; }

    public EquatableArray<KeyValuePair<string, string>> Meta { get; set; }

    /// <summary>What it asks for that this server would have to leave out, and so would allow or deny too much.</summary>
    public List<string> Unsupported { get; } = [];

    /// <summary>What is wrong with its permissions.</summary>
    public List<string> PermissionProblems { get; } = [];
}

/// <summary>Reads intentions, with permissions on requests as service-intentions entries have them.</summary>
internal static class IntentionDecoder
{
    /// <summary>What is wrong with metadata that name a mode there is none of.</summary>
    public const string WrongMode =
        $"Meta.{IntentionModeMeta.Key} must be '{IntentionModeMeta.Enforce}' or '{IntentionModeMeta.Shadow}'";

    private const string PartialWildcard = "wildcard character '*' cannot be used with partial values";

    public static IntentionInput Decode(JsonElement element)
    {
        var intention = new IntentionInput();
        foreach (var field in JsonField.In(element))
        {
            switch (field.Key)
            {
                case "description": intention.Description = field.Text(); break;
                case "sourcename": intention.Source = field.Text(); break;
                case "destinationname": intention.Destination = field.Text(); break;
                case "sourcetype": intention.SourceType = field.Text(); break;
                case "action": intention.Action = field.Text(); break;
                case "meta": intention.Meta = field.TextMap(); break;
                case "permissions":
                    intention.Permissions = EquatableArray.From(field.Items().Select(item => DecodePermission(item, intention)));
                    break;
                case "jwt": intention.JwtJson = field.Json(); break;
                case "sourcens" or "destinationns" or "sourcepartition" or "destinationpartition":
                    if (field.Text() is not ("" or "default"))
                    {
                        intention.Unsupported.Add($"{field.Name}: only 'default' is supported");
                    }

                    break;
                case "sourcepeer" or "sourcesamenessgroup":
                    if (field.Text().Length > 0)
                    {
                        intention.Unsupported.Add($"{field.Name} is not supported");
                    }

                    break;
                // Sent along by clients that give back what they got; the server sets them itself.
                case "id" or "defaultaddr" or "defaultport" or "precedence" or "createdat" or "updatedat" or "hash"
                    or "createindex" or "modifyindex" or "legacyid" or "legacymeta" or "legacycreatetime" or "legacyupdatetime":
                    break;
                default: throw field.Unknown();
            }
        }

        return intention;
    }

    /// <summary>Reads a source of a service-intentions entry that is in its one form already.</summary>
    /// <param name="source">The source.</param>
    /// <param name="destination">The name of the entry.</param>
    /// <param name="jwt">The requirement for tokens that holds for all sources of the entry; null: none.</param>
    public static IntentionInput DecodeSource(JsonElement source, string destination, string? jwt)
    {
        var intention = new IntentionInput
        {
            Description = source.Text("Description"),
            Source = source.Text("Name"),
            Destination = destination,
            SourceType = source.Text("Type"),
            Action = source.Text("Action"),
            Meta = IntentionEntryDecoder.MapOf(source, "LegacyMeta"),
            JwtJson = jwt,
        };
        intention.Permissions = EquatableArray.From(source.Items("Permissions").Select(item => DecodePermission(item, intention)));
        if (source.Text("Peer").Length > 0 || source.Text("SamenessGroup").Length > 0)
        {
            intention.Unsupported.Add("SourcePeer and SourceSamenessGroup are not supported");
        }

        return intention;
    }

    /// <summary>Judges an intention; all problems come at once.</summary>
    public static StoredIntention ToIntention(IntentionInput input, string id, DateTimeOffset now)
    {
        var problems = FindProblems(input).ToList();
        if (problems.Count > 0)
        {
            throw RequestRefusedException.Invalid(ErrorList.Of(problems));
        }

        return new StoredIntention
        {
            Id = id,
            Description = input.Description,
            Source = input.Source,
            Destination = input.Destination,
            Action = input.Action switch
            {
                "allow" => IntentionAction.Allow,
                "deny" => IntentionAction.Deny,
                _ => null,
            },
            Permissions = input.Permissions,
            JwtJson = input.JwtJson,
            Meta = input.Meta,
            CreatedAt = now,
            UpdatedAt = now,
        };
    }

    private static IEnumerable<string> FindProblems(IntentionInput input)
    {
        foreach (var (name, value) in new[] { ("SourceName", input.Source), ("DestinationName", input.Destination) })
        {
            if (value.Length == 0)
            {
                yield return $"{name} must be set";
            }
            else if (value != Intention.Wildcard && value.Contains('*', StringComparison.Ordinal))
            {
                yield return $"{name}: {PartialWildcard}";
            }
            else if (value.Length > 512 || value.Any(char.IsControl))
            {
                yield return $"{name} has more than 512 characters or a control character";
            }
        }

        if (input.Permissions.Count > 0)
        {
            if (input.Action.Length > 0)
            {
                yield return "Action must be omitted if Permissions are specified";
            }

            if (input.Destination == Intention.Wildcard)
            {
                yield return "Permissions cannot be specified on intentions with a wildcarded DestinationName";
            }
        }
        else if (input.Action is not ("allow" or "deny"))
        {
            yield return "Action must be set to 'allow' or 'deny'";
        }

        if (input.SourceType is not ("" or "consul"))
        {
            yield return "SourceType must be set to 'consul'";
        }

        if (!IntentionModeMeta.TryParse(input.Meta.FirstOrDefault(pair => pair.Key == IntentionModeMeta.Key).Value, out _))
        {
            yield return WrongMode;
        }

        foreach (var problem in IntentionSize.FindProblems(input.Permissions, input.JwtJson))
        {
            yield return problem;
        }

        foreach (var problem in input.Unsupported.Concat(input.PermissionProblems))
        {
            yield return problem;
        }
    }

    private static StoredPermission DecodePermission(JsonElement element, IntentionInput input)
    {
        var action = string.Empty;
        string? jwt = null;
        var rule = new IntentionPermission { Action = IntentionAction.Deny };
        foreach (var field in JsonField.In(element, ".Permissions"))
        {
            switch (field.Key)
            {
                case "action": action = field.Text(); break;
                case "http": rule = DecodeHttp(field, input); break;
                case "jwt": jwt = field.Json(); break;
                default: throw field.Unknown();
            }
        }

        if (action is not ("allow" or "deny"))
        {
            input.PermissionProblems.Add("Permissions: Action must be set to 'allow' or 'deny'");
        }

        return StoredPermission.Create(rule with { Action = action == "allow" ? IntentionAction.Allow : IntentionAction.Deny }, jwt);
    }

    private static IntentionPermission DecodeHttp(JsonField http, IntentionInput input)
    {
        var rule = new IntentionPermission { Action = IntentionAction.Deny };
        foreach (var field in http.Fields())
        {
            rule = field.Key switch
            {
                "pathexact" => rule with { PathExact = OrNull(field.Text()) },
                "pathprefix" => rule with { PathPrefix = OrNull(field.Text()) },
                "pathregex" => rule with { PathRegex = OrNull(field.Text()) },
                "methods" => rule with { Methods = EquatableArray.From(field.Texts().AsSpan().ToArray().Select(method => method.ToUpperInvariant())) },
                "header" => rule with { Headers = EquatableArray.From(field.Items().Select(item => DecodeHeader(item, input))) },
                _ => throw field.Unknown(),
            };
        }

        var paths = new[] { rule.PathExact, rule.PathPrefix, rule.PathRegex }.Count(path => path is not null);
        if (paths > 1)
        {
            input.PermissionProblems.Add("Permissions.HTTP: should only contain at most one of PathExact, PathPrefix, or PathRegex");
        }

        if (rule.PathExact is { } exact && exact[0] != '/')
        {
            input.PermissionProblems.Add($"Permissions.HTTP.PathExact doesn't start with '/': \"{exact}\"");
        }

        if (rule.PathPrefix is { } prefix && prefix[0] != '/')
        {
            input.PermissionProblems.Add($"Permissions.HTTP.PathPrefix doesn't start with '/': \"{prefix}\"");
        }

        if (rule.PathRegex is { } pattern && !IsLinearRegex(pattern))
        {
            input.PermissionProblems.Add($"Permissions.HTTP.PathRegex is not a linear-time regular expression: \"{pattern}\"");
        }

        return rule;
    }

    private static HeaderMatch DecodeHeader(JsonElement element, IntentionInput input)
    {
        var name = string.Empty;
        var (invert, ignoreCase) = (false, false);
        var matches = new List<(HeaderMatchKind Kind, string Value)>();
        foreach (var field in JsonField.In(element, ".Permissions.HTTP.Header"))
        {
            switch (field.Key)
            {
                case "name": name = field.Text(); break;
                case "invert": invert = field.Flag(); break;
                case "ignorecase": ignoreCase = field.Flag(); break;
                case "present":
                    if (field.Flag())
                    {
                        matches.Add((HeaderMatchKind.Present, string.Empty));
                    }

                    break;
                case "exact": Add(HeaderMatchKind.Exact, field); break;
                case "prefix": Add(HeaderMatchKind.Prefix, field); break;
                case "suffix": Add(HeaderMatchKind.Suffix, field); break;
                case "contains": Add(HeaderMatchKind.Contains, field); break;
                case "regex": Add(HeaderMatchKind.Regex, field); break;
                default: throw field.Unknown();
            }
        }

        if (name.Length == 0)
        {
            input.PermissionProblems.Add("Permissions.HTTP.Header missing required Name field");
        }

        if (matches.Count != 1)
        {
            input.PermissionProblems.Add(
                $"Permissions.HTTP.Header should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex (header \"{name}\")");
            return new HeaderMatch(name, HeaderMatchKind.Present, string.Empty);
        }

        var (kind, value) = matches[0];
        if (kind == HeaderMatchKind.Regex && !IsLinearRegex(value))
        {
            input.PermissionProblems.Add($"Permissions.HTTP.Header.Regex is not a linear-time regular expression: \"{value}\"");
        }

        return new HeaderMatch(name, kind, value, invert, ignoreCase);

        void Add(HeaderMatchKind kind, JsonField field)
        {
            if (field.Text() is { Length: > 0 } value)
            {
                matches.Add((kind, value));
            }
        }
    }

    // The very dialect the receivers evaluate with: what they cannot run is refused here, where somebody reads the answer.
    private static bool IsLinearRegex(string pattern) => LinearExpression.TryCompile(pattern, ignoreCase: false, out _);

    private static string? OrNull(string text) => text.Length == 0 ? null : text;
}
