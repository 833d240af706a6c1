namespace MeshClient.Core.Intentions;

/// <summary>What a rule says.</summary>
public enum IntentionAction
{
    /// <summary>The call is refused.</summary>
    Deny,

    /// <summary>The call may go on.</summary>
    Allow,
}

/// <summary>
/// A rule about who may call whom. Has either an <see cref="Action"/> (decides on the caller alone) or
/// <see cref="Permissions"/> (decide on the request), never both.
/// </summary>
public sealed record Intention
{
    /// <summary>Stands for any service, as source or as destination.</summary>
    public const string Wildcard = "*";

    /// <summary>A stable id for logs and answers; for an intention made by name, <c>source->destination</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The calling service's exact name, or <see cref="Wildcard"/>. Compared with case.</summary>
    public required string Source { get; init; }

    /// <summary>What texts say for <see cref="Source"/>, where that stands for something else; null: it does not.</summary>
    internal string? WrittenSource { get; init; }

    /// <summary>
    /// The called service's name, or <see cref="Wildcard"/>. Compared without case: registries keep one service under all
    /// spellings of its name.
    /// </summary>
    public required string Destination { get; init; }

    /// <summary>The verdict, for a rule without permissions.</summary>
    public IntentionAction? Action { get; init; }

    /// <summary>
    /// The ordered permissions of a rule about requests: the first that matches decides; when none does, the default action
    /// decides, not the next intention.
    /// </summary>
    public EquatableArray<IntentionPermission> Permissions { get; init; }

    /// <summary>The tokens a request has to carry whatever it is, before the action or the permissions are looked at; null: none.</summary>
    public JwtRequirement? Jwt { get; init; }

    /// <summary>
    /// Whether it is in force, or only tried. Default: in force. One that is tried outranks others only for what is reported:
    /// see <see cref="IntentionEvaluator"/>.
    /// </summary>
    public IntentionMode Mode { get; init; }

    /// <summary>
    /// Which rule decides when several match: the highest. Consul's table (agent/structs/config_entry_intentions.go, as in the
    /// public intentions docs): exact to exact 9, any to exact 8, exact to any 6, any to any 5; the destination weighs more.
    /// </summary>
    public int Precedence => PrecedenceOf(Source, Destination);

    internal static int PrecedenceOf(string source, string destination) => (source == Wildcard, destination == Wildcard) switch
    {
        (false, false) => 9,
        (true, false) => 8,
        (false, true) => 6,
        (true, true) => 5,
    };
}

/// <summary>One permission of an intention: what a request has to look like, and what then happens to it.</summary>
public sealed record IntentionPermission
{
    /// <summary>The verdict for a request that matches.</summary>
    public required IntentionAction Action { get; init; }

    /// <summary>The exact path, beginning with a slash. At most one of the three path parts is set; none: any path.</summary>
    public string? PathExact { get; init; }

    /// <summary>The beginning of the path, with its slash.</summary>
    public string? PathPrefix { get; init; }

    /// <summary>A linear-time regular expression that has to match the whole path.</summary>
    public string? PathRegex { get; init; }

    /// <summary>The methods it is about, compared without case; none: any method.</summary>
    public EquatableArray<string> Methods { get; init; }

    /// <summary>What the headers have to be; all must hold.</summary>
    public EquatableArray<HeaderMatch> Headers { get; init; }

    /// <summary>The tokens the request has to carry besides; null: none.</summary>
    public JwtRequirement? Jwt { get; init; }

    /// <summary>
    /// True when the permission asks for something this version cannot check. Such a permission never allows: an allowing one
    /// does not match, a denying one matches whatever its other parts match.
    /// </summary>
    public bool HasUnsupportedRequirement { get; init; }
}

/// <summary>How a header's value is compared.</summary>
public enum HeaderMatchKind
{
    /// <summary>The header is there, whatever its value.</summary>
    Present,

    /// <summary>The value is exactly this.</summary>
    Exact,

    /// <summary>The value begins with this.</summary>
    Prefix,

    /// <summary>The value ends with this.</summary>
    Suffix,

    /// <summary>The value holds this.</summary>
    Contains,

    /// <summary>A linear-time regular expression matches the whole value.</summary>
    Regex,
}

/// <summary>What one header has to be.</summary>
/// <remarks>
/// A header that is not there has no value to be compared. Turned round, <see cref="HeaderMatchKind.Present"/> matches then, and
/// any other kind matches for a denying permission and not for an allowing one, so that leaving a header out opens nothing.
/// Envoy, which enforces the same rules beside Consul, matches such a header for neither (source/common/http/header_utility.cc;
/// its <c>treat_missing_header_as_empty</c>, which Consul does not set, would match it for both).
/// </remarks>
/// <param name="Name">The header's name; compared without case.</param>
/// <param name="Kind">How its value is compared.</param>
/// <param name="Value">What it is compared with; not used for <see cref="HeaderMatchKind.Present"/>.</param>
/// <param name="Invert">Whether the match is turned round. Default: false.</param>
/// <param name="IgnoreCase">Whether the value is compared without case. Default: false.</param>
public sealed record HeaderMatch(string Name, HeaderMatchKind Kind, string Value, bool Invert = false, bool IgnoreCase = false);
