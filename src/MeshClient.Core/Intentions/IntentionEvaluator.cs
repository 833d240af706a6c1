using System.Collections.Frozen;

namespace MeshClient.Core.Intentions;

/// <summary>
/// Decides whether a service may call another. Built once when the intentions change, then immutable; a decision takes no
/// lock, and no memory unless the request is an odd one.
/// </summary>
/// <remarks>
/// The rule is Consul's: of the intentions to this destination that name the caller, or any caller, the one with the
/// highest <see cref="Intention.Precedence"/> decides alone; the others are not looked at. If it has permissions, the first
/// one that matches the request decides, and when none does, the default action. Without a request to look at (a raw
/// connection), an intention with permissions denies.
/// A permission whose expression does not compile is treated so that nothing opens: see
/// <see cref="IntentionPermission.HasUnsupportedRequirement"/>.
/// A header that came in several lines is compared as one value, joined by commas, as Envoy does. Since a receiver may read
/// only one of them, a denying permission also matches when a line alone is what it denies, and an allowing one that wants a
/// header not to be something does not match when a line alone is that.
/// </remarks>
public sealed class IntentionEvaluator
{
    private readonly FrozenDictionary<string, CompiledIntention> _bySource;
    private readonly CompiledIntention? _anySource;
    private readonly IntentionVerdict _default;

    /// <summary>Compiles the intentions.</summary>
    /// <param name="snapshot">The intentions of one destination.</param>
    /// <param name="defaultAction">What to do when none matches.</param>
    /// <param name="looseDenials">
    /// Whether a denying permission takes a path without case, without a slash at its end and with runs of slashes as one
    /// (on Windows also backslashes as slashes), for a receiver whose routing or file system does: there <c>/ADMIN/</c> and
    /// <c>//admin</c> lead where <c>/admin</c> leads, and a rule against one that let the others pass would protect nothing.
    /// Allowing permissions stay exact. Default: false, as Consul and Envoy do.
    /// </param>
    public IntentionEvaluator(IntentionSnapshot snapshot, IntentionAction defaultAction, bool looseDenials = false)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        _default = new IntentionVerdict(
            defaultAction, IntentionVerdict.DefaultRule, $"No intention matches; the default is to {Verb(defaultAction)}.");
        var decisive = new Dictionary<string, Intention>(StringComparer.Ordinal);
        foreach (var intention in snapshot.Intentions)
        {
            if (intention.Destination != Intention.Wildcard
                && !string.Equals(intention.Destination, snapshot.Destination.Value, StringComparison.Ordinal))
            {
                continue;
            }

            if (!decisive.TryGetValue(intention.Source, out var other) || Outranks(intention, other))
            {
                decisive[intention.Source] = intention;
            }
        }

        if (decisive.Remove(Intention.Wildcard, out var any))
        {
            // A rule for any caller may outrank one for this caller: to orders from anyone (8) beats to anyone from web (6).
            foreach (var source in decisive.Where(pair => any.Precedence > pair.Value.Precedence).Select(pair => pair.Key).ToList())
            {
                decisive.Remove(source);
            }

            _anySource = new CompiledIntention(any, _default, looseDenials);
        }

        _bySource = decisive.ToFrozenDictionary(
            pair => pair.Key, pair => new CompiledIntention(pair.Value, _default, looseDenials), StringComparer.Ordinal);
    }

    /// <summary>Decides on a raw connection.</summary>
    /// <param name="source">The calling service's name.</param>
    public IntentionVerdict EvaluateConnection(string source) => Find(source)?.Connection ?? _default;

    /// <summary>Decides on a request.</summary>
    /// <param name="source">The calling service's name.</param>
    /// <param name="method">The request's method; compared without case.</param>
    /// <param name="path">The request's path as the app will see it, with its leading slash and without the query.</param>
    /// <param name="headers">The request's headers.</param>
    public IntentionVerdict EvaluateRequest<THeaders>(string source, string method, string path, in THeaders headers)
        where THeaders : IHeaderLookup =>
        Find(source) is { } intention ? intention.Evaluate(method, path, headers) : _default;

    // Two rules of one rank for one pair cannot be made in a registry that works; if they meet, the stricter one holds.
    private static bool Outranks(Intention candidate, Intention current) =>
        candidate.Precedence > current.Precedence
        || (candidate.Precedence == current.Precedence && Strictness(candidate) > Strictness(current));

    private static int Strictness(Intention intention) =>
        Denies(intention) ? 2
        : intention.Permissions.Count > 0 ? 1
        : 0;

    // An intention with neither part says nothing that could open anything; one with a denial and permissions contradicts
    // itself, and the denial holds.
    private static bool Denies(Intention intention) =>
        intention.Action == IntentionAction.Deny || (intention.Action is null && intention.Permissions.Count == 0);

    private static string Verb(IntentionAction action) => action == IntentionAction.Allow ? "allow" : "deny";

    private CompiledIntention? Find(string source) => _bySource.TryGetValue(source, out var exact) ? exact : _anySource;

    private sealed class CompiledIntention
    {
        private readonly IntentionVerdict? _action;
        private readonly CompiledPermission[] _permissions;
        private readonly bool _readsFilePath;
        private readonly IntentionVerdict _otherwise;

        public CompiledIntention(Intention intention, IntentionVerdict defaultVerdict, bool looseDenials)
        {
            var name = $"{intention.Source} => {intention.Destination}";
            if (intention.Permissions.Count == 0 || Denies(intention))
            {
                var action = Denies(intention) ? IntentionAction.Deny : IntentionAction.Allow;
                _action = new IntentionVerdict(
                    action, intention.Id, $"Matched intention: {Verb(action)} {name} (precedence {intention.Precedence}).");
                _permissions = [];
                _otherwise = _action;
                Connection = _action;
                return;
            }

            _permissions = new CompiledPermission[intention.Permissions.Count];
            for (var i = 0; i < _permissions.Length; i++)
            {
                var permission = intention.Permissions[i];
                _permissions[i] = new CompiledPermission(permission, new IntentionVerdict(
                    permission.Action,
                    $"{intention.Id}#{i + 1}",
                    $"Matched intention: {name} (precedence {intention.Precedence}), permission {i + 1}: {Verb(permission.Action)}."),
                    looseDenials && permission.Action == IntentionAction.Deny);
                _readsFilePath |= _permissions[i].IsLoose;
            }

            _otherwise = new IntentionVerdict(
                defaultVerdict.Action,
                IntentionVerdict.DefaultRule,
                $"Intention {name} decides, but none of its permissions matches; the default is to {Verb(defaultVerdict.Action)}.");
            Connection = new IntentionVerdict(
                IntentionAction.Deny,
                intention.Id,
                $"Intention {name} decides on requests; a raw connection shows none, so it is denied.");
        }

        public IntentionVerdict Connection { get; }

        public IntentionVerdict Evaluate<THeaders>(string method, string path, in THeaders headers)
            where THeaders : IHeaderLookup
        {
            if (_action is not null)
            {
                return _action;
            }

            var filePath = _readsFilePath ? FilePath.Read(path, Path.DirectorySeparatorChar == '\\') : null;
            foreach (var permission in _permissions)
            {
                if (permission.Matches(method, path, filePath, headers))
                {
                    return permission.Verdict;
                }
            }

            return _otherwise;
        }
    }
}
