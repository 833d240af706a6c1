using MeshClient.Server.Api;

namespace MeshClient.Server.AccessControl;

/// <summary>
/// What a route demands of its callers. Every route is mapped with one; one without is served only to who may do everything,
/// and a test names it.
/// </summary>
internal sealed class RouteAccess
{
    private readonly Action<ApiRequest>? _check;

    private RouteAccess(string description, Action<ApiRequest>? check, bool isOpen = false)
    {
        Description = description;
        _check = check;
        IsOpen = isOpen;
    }

    /// <summary>Nobody has said yet what it demands.</summary>
    public static RouteAccess Undecided { get; } = new("undecided", static request => request.Access.Demand(ResourceKind.Acl, string.Empty, AccessLevel.Write));

    /// <summary>The handler asks for each thing it shows or changes, and fails if it answers without having asked.</summary>
    public static RouteAccess Asked { get; } = new("asked by the handler", check: null);

    /// <summary>
    /// The handler leaves out of its answer whatever its sender may not see, entry by entry; a list without entries asks nothing,
    /// so unlike <see cref="Asked"/> this is not checked when it answers.
    /// </summary>
    public static RouteAccess Filtered { get; } = new("filtered by the handler", static request => request.Access.NeedNothing());

    /// <summary>What the description of the route says about it.</summary>
    public string Description { get; }

    /// <summary>Whether it is for everybody, so that not even an unknown token is refused.</summary>
    public bool IsOpen { get; }

    /// <summary>For everybody.</summary>
    /// <param name="reason">Why nothing has to be kept from anybody.</param>
    public static RouteAccess Open(string reason) => new($"open: {reason}", check: null, isOpen: true);

    /// <summary>Demands a right on a kind without names.</summary>
    public static RouteAccess Needs(ResourceKind kind, AccessLevel level) =>
        new(Name(kind, level), request => request.Access.Demand(kind, string.Empty, level));

    /// <summary>Demands a right on the node the server plays the agent of.</summary>
    public static RouteAccess NeedsOnNode(ResourceKind kind, AccessLevel level, string node) =>
        new($"{Name(kind, level)} on the node", request => request.Access.Demand(kind, node, level));

    /// <summary>Demands a right on what the rest of the path names.</summary>
    public static RouteAccess NeedsOnRest(ResourceKind kind, AccessLevel level) =>
        new($"{Name(kind, level)} on the name in the path", request => request.Access.Demand(kind, request.Rest, level));

    /// <summary>Of the calls about tokens, which are refused while access control is off.</summary>
    /// <param name="resolver">Knows whether it is.</param>
    /// <param name="description">What the call demands.</param>
    /// <param name="check">Demands it; null: the token that is sent along is not looked at.</param>
    public static RouteAccess Guarded(TokenResolver resolver, string description, Action<ApiRequest>? check) => new(
        description,
        request =>
        {
            if (!resolver.IsEnabled)
            {
                throw new RequestRefusedException(401, "ACL support disabled");
            }

            check?.Invoke(request);
        },
        isOpen: check is null);

    public void Check(ApiRequest request) => _check?.Invoke(request);

    public override string ToString() => Description;

    private static string Name(ResourceKind kind, AccessLevel level) => $"{kind}:{level}".ToLowerInvariant();
}
