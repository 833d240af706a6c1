namespace MeshClient.Core.Intentions;

/// <summary>An intention, ready to be compared with calls, with every verdict it may come to.</summary>
internal sealed class CompiledIntention
{
    private readonly IntentionVerdict? _action;
    private readonly CompiledPermission[] _permissions = [];
    private readonly CompiledRequirement? _jwt;
    private readonly IntentionVerdict _withoutToken;
    private readonly IntentionVerdict _otherwise;
    private readonly bool _readsFilePath;

    public CompiledIntention(Intention intention, IntentionVerdict defaultVerdict, bool looseDenials)
    {
        Rule = intention;
        Name = $"{intention.WrittenSource ?? intention.Source} => {intention.Destination}";
        _jwt = CompiledRequirement.Of(intention.Jwt);
        _withoutToken = Deny($"Intention {Name} asks for {_jwt}, and the request does not carry it, so it is denied.");
        if (IsTooLarge(intention))
        {
            _action = _otherwise = Connection = Deny($"Intention {Name} is larger than intentions may be, so it allows nothing.");
            _jwt = null;
            return;
        }

        if (intention.Permissions.Count == 0 || Denies(intention))
        {
            var action = Denies(intention) ? IntentionAction.Deny : IntentionAction.Allow;
            _action = _otherwise = Connection = new IntentionVerdict(
                action, intention.Id, $"Matched intention: {Verb(action)} {Name} (precedence {intention.Precedence}).");
            if (action == IntentionAction.Deny)
            {
                _jwt = null;
            }

            if (_jwt is not null)
            {
                Connection = Deny($"Intention {Name} asks for {_jwt}; a raw connection shows none, so it is denied.");
            }

            return;
        }

        var headerPlaces = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        _permissions = [.. intention.Permissions.Select((permission, i) => Compile(permission, i, looseDenials, headerPlaces))];
        _readsFilePath = _permissions.Any(permission => permission.IsLoose);
        _otherwise = new IntentionVerdict(
            defaultVerdict.Action,
            IntentionVerdict.DefaultRule,
            $"Intention {Name} decides, but none of its permissions matches; the default is to {Verb(defaultVerdict.Action)}.");
        Connection = Deny($"Intention {Name} decides on requests; a raw connection shows none, so it is denied.");
    }

    public Intention Rule { get; }

    /// <summary>The pair, for texts.</summary>
    public string Name { get; }

    /// <summary>The verdict on a raw connection.</summary>
    public IntentionVerdict Connection { get; }

    /// <summary>What it says, in a few words.</summary>
    public string Summary =>
        (_action is { } verdict ? Verb(verdict.Action) : $"{_permissions.Length} permissions for")
        + $" {Name} (precedence {Rule.Precedence}{(Rule.Mode == IntentionMode.Shadow ? ", shadow" : string.Empty)})";

    // An intention with neither part says nothing that could open anything; one with a denial and permissions contradicts
    // itself, and the denial holds.
    public static bool Denies(Intention intention) =>
        intention.Action == IntentionAction.Deny || (intention.Action is null && intention.Permissions.Count == 0);

    public static string Verb(IntentionAction action) => action == IntentionAction.Allow ? "allow" : "deny";

    /// <summary>The verdict on a request.</summary>
    public IntentionVerdict Evaluate<THeaders, TPassport>(string method, string path, in THeaders headers, in TPassport passport)
        where THeaders : IHeaderLookup
        where TPassport : IPassportLookup
    {
        if (_jwt is not null && !_jwt.Holds(passport))
        {
            return _withoutToken;
        }

        if (_action is not null)
        {
            return _action;
        }

        var filePath = ReadFilePath(path);
        var cache = default(HeaderCache);
        foreach (var permission in _permissions)
        {
            if (permission.Compare(method, path, filePath, headers, ref cache, passport) == Mismatch.None)
            {
                return permission.Verdict;
            }
        }

        return _otherwise;
    }

    /// <summary>What each permission did, for an intention that <see cref="Evaluate"/> was asked.</summary>
    /// <param name="verdict">What it said.</param>
    /// <param name="effect">What the one that decided did with that.</param>
    /// <param name="method">The request's method.</param>
    /// <param name="path">The request's path.</param>
    /// <param name="headers">The request's headers.</param>
    /// <param name="passport">The request's tokens.</param>
    public IEnumerable<WeighedRule> Weigh<THeaders, TPassport>(
        IntentionVerdict verdict, RuleEffect effect, string method, string path, THeaders headers, TPassport passport)
        where THeaders : IHeaderLookup
        where TPassport : IPassportLookup
    {
        var filePath = ReadFilePath(path);
        var cache = default(HeaderCache);
        string? decided = null;
        foreach (var permission in _permissions)
        {
            var mismatch = permission.Compare(method, path, filePath, headers, ref cache, passport);
            var rule = permission.Verdict.Rule;
            var decides = decided is null && ReferenceEquals(verdict, permission.Verdict);
            yield return new WeighedRule(
                rule,
                permission.Summary,
                decides ? effect : RuleEffect.NotApplied,
                ReferenceEquals(verdict, _withoutToken) ? "Its intention asks for a token that the request does not carry."
                : decided is not null ? $"{decided} comes first."
                : permission.Describe(mismatch, method, headers, ref cache));
            decided = decides ? rule : decided;
        }
    }

    private static bool IsTooLarge(Intention intention) =>
        intention.Permissions.Count > IntentionLimits.Permissions
        || CompiledRequirement.IsTooLarge(intention.Jwt)
        || intention.Permissions.Any(permission =>
            permission.Methods.Count > IntentionLimits.Conditions
            || permission.Headers.Count > IntentionLimits.Conditions
            || CompiledRequirement.IsTooLarge(permission.Jwt));

    private CompiledPermission Compile(
        IntentionPermission permission, int index, bool looseDenials, Dictionary<string, int> headerPlaces) => new(
        permission,
        new IntentionVerdict(
            permission.Action,
            $"{Rule.Id}#{index + 1}",
            $"Matched intention: {Name} (precedence {Rule.Precedence}), permission {index + 1}: {Verb(permission.Action)}."),
        looseDenials && permission.Action == IntentionAction.Deny,
        headerPlaces);

    private IntentionVerdict Deny(string reason) => new(IntentionAction.Deny, Rule.Id, reason);

    private string? ReadFilePath(string path) => _readsFilePath ? FilePath.Read(path, Path.DirectorySeparatorChar == '\\') : null;
}
