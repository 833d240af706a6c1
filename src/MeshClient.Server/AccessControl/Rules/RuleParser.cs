using System.Collections.Immutable;

namespace MeshClient.Server.AccessControl.Rules;

/// <summary>
/// Reads the rules of a policy, in HCL or JSON: <c>service "web" { policy = "write" intentions = "read" }</c>,
/// <c>key_prefix "app/" { policy = "read" }</c>, <c>operator = "read"</c>.
/// </summary>
/// <remarks>
/// Stricter than Consul in one point: a kind of resource or a key of a rule that it does not know is an error, where Consul
/// skips it; a misspelt <c>deny</c> would be no rule at all.
/// </remarks>
internal static class RuleParser
{
    private static readonly ImmutableDictionary<string, NamedKind> Named = new[]
    {
        Both("agent", ResourceKind.Agent, "AgentRule{Node:{0}, Policy:{1}}"),
        Both("event", ResourceKind.Event, "EventRule{Event:{0}, Policy:{1}}"),
        Both("key", ResourceKind.Key, "KeyRule{Prefix:{0}, Policy:{1}, EnterpriseRule:acl.EnterpriseRule{}}"),
        Both("node", ResourceKind.Node, "NodeRule{Name:{0}, Policy:{1}, EnterpriseRule:acl.EnterpriseRule{}}"),
        Both("query", ResourceKind.Query, "PreparedQueryRule{Prefix:{0}, Policy:{1}}"),
        Both("service", ResourceKind.Service, "ServiceRule{Name:{0}, Policy:{1}, Intentions:{2}, EnterpriseRule:acl.EnterpriseRule{}}"),
        Both("session", ResourceKind.Session, "SessionRule{Node:{0}, Policy:{1}}"),
    }.SelectMany(pair => pair).ToImmutableDictionary(kind => kind.Key, StringComparer.Ordinal);

    private static readonly ImmutableDictionary<string, ResourceKind> Single = ImmutableDictionary.CreateRange(
        StringComparer.Ordinal,
        [
            KeyValuePair.Create("acl", ResourceKind.Acl),
            KeyValuePair.Create("keyring", ResourceKind.Keyring),
            KeyValuePair.Create("operator", ResourceKind.Operator),
        ]);

    /// <exception cref="RuleTextException">They cannot be understood; the message is a whole sentence.</exception>
    public static ImmutableArray<AccessRule> Parse(string text)
    {
        RuleObject root;
        try
        {
            root = text.AsSpan().TrimStart() is ['{', ..] ? JsonRuleReader.Read(text) : HclReader.Read(text);
        }
        catch (RuleTextException e)
        {
            throw new RuleTextException($"Failed to parse ACL rules: {e.Message}");
        }

        var rules = ImmutableArray.CreateBuilder<AccessRule>();
        foreach (var item in root.Items)
        {
            AddItem(rules, item);
        }

        return rules.ToImmutable();
    }

    private static void AddItem(ImmutableArray<AccessRule>.Builder rules, RuleItem item)
    {
        var key = item.Keys[0];
        if (Single.TryGetValue(key, out var single))
        {
            var text = item is { Keys.Length: 1, Value: RuleWord word } ? word.Text : throw Malformed(key);

            // As if it were absent, which is how Consul takes it.
            if (text.Length > 0)
            {
                rules.Add(new AccessRule(single, string.Empty, IsPrefix: false, LevelOf(text, single) ?? throw Invalid(key, $"\"{text}\"")));
            }
        }
        else if (Named.TryGetValue(key, out var kind))
        {
            AddNamed(rules, kind, item.Keys.RemoveAt(0), item.Value);
        }
        else
        {
            throw new RuleTextException($"Failed to parse ACL rules: there are no rules of the kind \"{key}\"");
        }
    }

    // Labels may stand before the brace or, as keys, behind it; JSON knows only the latter.
    private static void AddNamed(ImmutableArray<AccessRule>.Builder rules, NamedKind kind, ImmutableArray<string> names, RuleValue value)
    {
        switch (value)
        {
            case RuleList list:
                foreach (var part in list.Items)
                {
                    AddNamed(rules, kind, names, part);
                }

                break;
            case RuleObject body when names.Length == 1:
                rules.Add(ToRule(kind, names[0], body));
                break;
            case RuleObject body when names.IsEmpty:
                foreach (var item in body.Items)
                {
                    AddNamed(rules, kind, item.Keys, item.Value);
                }

                break;
            default:
                throw Malformed(kind.Key);
        }
    }

    private static AccessRule ToRule(NamedKind kind, string name, RuleObject body)
    {
        var (policy, intentions) = (string.Empty, string.Empty);
        foreach (var item in body.Items)
        {
            var text = item is { Keys.Length: 1, Value: RuleWord word } ? word.Text : throw Malformed(kind.Key);
            switch (item.Keys[0])
            {
                case "policy":
                    policy = text;
                    break;
                case "intentions" when kind.Kind == ResourceKind.Service:
                    intentions = text;
                    break;
                default:
                    throw new RuleTextException($"Failed to parse ACL rules: a rule of the kind \"{kind.Key}\" has no \"{item.Keys[0]}\"");
            }
        }

        var level = LevelOf(policy, kind.Kind) ?? throw Invalid(kind.Key, kind.Show(name, policy, intentions));
        var onIntentions = intentions.Length == 0
            ? (AccessLevel?)null
            : LevelOf(intentions, ResourceKind.Intention) ?? throw Invalid(kind.Key + " intentions", kind.Show(name, policy, intentions));
        return new AccessRule(kind.Kind, name, kind.IsPrefix, level, onIntentions);
    }

    private static AccessLevel? LevelOf(string text, ResourceKind kind) => text switch
    {
        "deny" => AccessLevel.Deny,
        "read" => AccessLevel.Read,
        "list" when kind == ResourceKind.Key => AccessLevel.List,
        "write" => AccessLevel.Write,
        _ => null,
    };

    private static RuleTextException Malformed(string key) =>
        new($"Failed to parse ACL rules: a rule of the kind \"{key}\" is not of its form");

    private static RuleTextException Invalid(string key, string shown) => new($"Invalid {key} policy: {shown}");

    private static NamedKind[] Both(string key, ResourceKind kind, string shown) =>
        [new(key, kind, IsPrefix: false, shown), new(key + "_prefix", kind, IsPrefix: true, shown)];

    /// <param name="Key">How the rules begin.</param>
    /// <param name="Kind">What they are about.</param>
    /// <param name="IsPrefix">Whether they hold for all that begins with the name.</param>
    /// <param name="Shown">How Consul shows such a rule in its sentence about a wrong one.</param>
    private sealed record NamedKind(string Key, ResourceKind Kind, bool IsPrefix, string Shown)
    {
        public string Show(string name, string policy, string intentions) => "&acl." + Shown
            .Replace("{0}", $"\"{name}\"", StringComparison.Ordinal)
            .Replace("{1}", $"\"{policy}\"", StringComparison.Ordinal)
            .Replace("{2}", $"\"{intentions}\"", StringComparison.Ordinal);
    }
}
