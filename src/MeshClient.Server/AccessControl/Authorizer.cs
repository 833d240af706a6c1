namespace MeshClient.Server.AccessControl;

/// <summary>
/// What the bearer of a token may do. Of the rules on a name the exact one decides, else that of the longest beginning, else
/// the default; of several policies that speak about the very same name the strictest: deny, then write, list, read
/// (Consul's order, in which a policy can widen what another one grants, but never what it denies).
/// </summary>
internal sealed class Authorizer
{
    private readonly Dictionary<ResourceKind, RuleIndex> _rules;
    private readonly bool _allowsByDefault;
    private readonly bool _isUnrestricted;

    private Authorizer(Dictionary<ResourceKind, RuleIndex> rules, bool allowsByDefault, bool isUnrestricted)
    {
        _rules = rules;
        _allowsByDefault = allowsByDefault;
        _isUnrestricted = isUnrestricted;
    }

    /// <summary>May do everything: of a server without access control.</summary>
    public static Authorizer Unrestricted { get; } = new([], allowsByDefault: true, isUnrestricted: true);

    /// <summary>May do nothing.</summary>
    public static Authorizer Nothing { get; } = Create([], allowsByDefault: false);

    /// <summary>Whether it may do everything.</summary>
    public bool IsUnrestricted => _isUnrestricted;

    /// <param name="rules">The rules of all policies that hold.</param>
    /// <param name="allowsByDefault">What holds where no rule speaks.</param>
    public static Authorizer Create(IEnumerable<AccessRule> rules, bool allowsByDefault)
    {
        var merged = new Dictionary<(ResourceKind Kind, string Name, bool IsPrefix), AccessRule>();
        foreach (var rule in rules)
        {
            var key = (rule.Kind, rule.Name, rule.IsPrefix);
            merged[key] = merged.TryGetValue(key, out var present)
                ? present with { Level = Stricter(present.Level, rule.Level), Intentions = Stricter(present.Intentions, rule.Intentions) }
                : rule;
        }

        var index = new Dictionary<ResourceKind, RuleIndex>();
        foreach (var rule in merged.Values)
        {
            IndexOf(index, rule.Kind).Add(rule.Name, rule.IsPrefix, rule.Level);
            if (rule.Kind == ResourceKind.Service)
            {
                // Who may know a service may know who may call it; to change that is a right of its own.
                var intentions = rule.Intentions ?? (rule.Level == AccessLevel.Deny ? AccessLevel.Deny : AccessLevel.Read);
                IndexOf(index, ResourceKind.Intention).Add(rule.Name, rule.IsPrefix, intentions);
            }
        }

        return new Authorizer(index, allowsByDefault, isUnrestricted: false);
    }

    /// <summary>Whether something may be done to one resource.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="name">Its name; empty for kinds without names.</param>
    /// <param name="level">How much is to be done.</param>
    public bool Allows(ResourceKind kind, string name, AccessLevel level)
    {
        if (_isUnrestricted)
        {
            return true;
        }

        if (kind == ResourceKind.Intention && name == "*")
        {
            return AllowsOnAllIntentions(level);
        }

        return _rules.GetValueOrDefault(kind)?.Find(name) is { } found ? found >= level : AllowsByDefault(kind);
    }

    /// <summary>Whether everything below a beginning may be written: nothing in it may be held back by a rule of its own.</summary>
    public bool AllowsWriteBelow(ResourceKind kind, string prefix)
    {
        if (_isUnrestricted)
        {
            return true;
        }

        var rules = _rules.GetValueOrDefault(kind);
        var covering = rules?.FindPrefix(prefix);
        return (covering is { } found ? found == AccessLevel.Write : AllowsByDefault(kind))
            && rules?.AllBelow(prefix, level => level == AccessLevel.Write) is not false;
    }

    // A wildcard intention concerns every service: to see it, the right on any is enough; to change it, it takes them all.
    private bool AllowsOnAllIntentions(AccessLevel level)
    {
        var rules = _rules.GetValueOrDefault(ResourceKind.Intention);
        return level == AccessLevel.Write
            ? (rules?.FindPrefix(string.Empty) is { } all ? all == AccessLevel.Write : _allowsByDefault)
                && rules?.AllBelow(string.Empty, found => found == AccessLevel.Write) is not false
            : _allowsByDefault || rules?.Any(found => found >= level) == true;
    }

    // The rights that could undo all others are never there by default.
    private bool AllowsByDefault(ResourceKind kind) => _allowsByDefault && kind != ResourceKind.Acl;

    private static RuleIndex IndexOf(Dictionary<ResourceKind, RuleIndex> index, ResourceKind kind)
    {
        if (!index.TryGetValue(kind, out var rules))
        {
            index.Add(kind, rules = new RuleIndex());
        }

        return rules;
    }

    private static AccessLevel? Stricter(AccessLevel? left, AccessLevel? right) =>
        left is not { } one ? right : right is not { } other ? left : Stricter(one, other);

    private static AccessLevel Stricter(AccessLevel left, AccessLevel right) =>
        left == AccessLevel.Deny || right == AccessLevel.Deny ? AccessLevel.Deny : (AccessLevel)Math.Max((int)left, (int)right);

    /// <summary>The rules of one kind, by name and by beginning.</summary>
    private sealed class RuleIndex
    {
        private readonly Dictionary<string, AccessLevel> _exact = new(StringComparer.Ordinal);
        private readonly Dictionary<string, AccessLevel> _prefixes = new(StringComparer.Ordinal);

        // Longest first. Only lengths that occur are looked up, so a long name costs no more than a short one.
        private readonly SortedSet<int> _lengths = new(Comparer<int>.Create(static (left, right) => right.CompareTo(left)));

        public void Add(string name, bool isPrefix, AccessLevel level)
        {
            (isPrefix ? _prefixes : _exact)[name] = level;
            if (isPrefix)
            {
                _lengths.Add(name.Length);
            }
        }

        public AccessLevel? Find(string name) => _exact.TryGetValue(name, out var level) ? level : FindPrefix(name);

        public AccessLevel? FindPrefix(string name)
        {
            var lookup = _prefixes.GetAlternateLookup<ReadOnlySpan<char>>();
            foreach (var length in _lengths)
            {
                if (length <= name.Length && lookup.TryGetValue(name.AsSpan(0, length), out var level))
                {
                    return level;
                }
            }

            return null;
        }

        public bool AllBelow(string prefix, Func<AccessLevel, bool> holds) => _exact.Concat(_prefixes)
            .All(rule => !rule.Key.StartsWith(prefix, StringComparison.Ordinal) || holds(rule.Value));

        public bool Any(Func<AccessLevel, bool> holds) => _exact.Values.Concat(_prefixes.Values).Any(holds);
    }
}
