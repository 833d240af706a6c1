using System.Diagnostics.CodeAnalysis;

namespace MeshClient.Server.AccessControl;

/// <summary>
/// What the sender of one request may do. Handlers ask here; a route that answers without having asked fails instead of
/// answering, so that no call is left out by oversight.
/// </summary>
/// <param name="authorizer">What the token allows.</param>
/// <param name="accessorId">Who it is, for logs: the public name of the token.</param>
/// <param name="renew">Finds out anew what the token allows; null: that cannot change.</param>
internal sealed class RequestAccess(Authorizer authorizer, string accessorId, Func<Authorizer>? renew = null)
{
    private List<(ResourceKind Kind, string Name, AccessLevel Level)>? _demanded;
    private Authorizer _authorizer = authorizer;

    /// <summary>Of a request whose sender nobody has to know.</summary>
    public static RequestAccess Nobody() => new(Authorizer.Nothing, string.Empty) { WasAsked = true };

    /// <summary>The accessor id of the token; empty without access control.</summary>
    public string AccessorId { get; } = accessorId;

    /// <summary>Whether anybody has asked what is allowed.</summary>
    public bool WasAsked { get; private set; }

    /// <summary>Whether something was left out of a list because it may not be seen.</summary>
    public bool HasFiltered { get; private set; }

    /// <summary>Says that this call is everybody's; the reason stands at the caller's.</summary>
    public void NeedNothing() => WasAsked = true;

    /// <summary>Whether nothing at all is forbidden, so that single things need not be asked about.</summary>
    public bool AllowsAll()
    {
        WasAsked = true;
        return _authorizer.IsUnrestricted;
    }

    public bool Allows(ResourceKind kind, string name, AccessLevel level)
    {
        WasAsked = true;
        return _authorizer.Allows(kind, name, level);
    }

    public bool AllowsWriteBelow(ResourceKind kind, string prefix)
    {
        WasAsked = true;
        return _authorizer.AllowsWriteBelow(kind, prefix);
    }

    /// <summary>Refuses the request unless something is allowed.</summary>
    /// <param name="kind">What it is about.</param>
    /// <param name="name">Its name; empty for kinds without names.</param>
    /// <param name="level">How much is to be done.</param>
    /// <param name="tell">Whether the answer names the missing right, as some calls of Consul's agent do.</param>
    /// <exception cref="RequestRefusedException">It is not allowed.</exception>
    public void Demand(ResourceKind kind, string name, AccessLevel level, bool tell = false)
    {
        if (!Allows(kind, name, level))
        {
            Refuse(tell ? $": Missing {kind.ToString().ToLowerInvariant()}:{level.ToString().ToLowerInvariant()} on {name}" : string.Empty);
        }

        if (renew is not null)
        {
            (_demanded ??= []).Add((kind, name, level));
        }
    }

    /// <summary>
    /// Judges the request anew after it has waited, minutes perhaps: its token may be gone by then, or its rules may be others.
    /// </summary>
    /// <exception cref="RequestRefusedException">The token is unknown by now, or does not allow what was demanded.</exception>
    public void Renew()
    {
        if (renew?.Invoke() is not { } now || ReferenceEquals(now, _authorizer))
        {
            return;
        }

        _authorizer = now;
        foreach (var (kind, name, level) in _demanded ?? [])
        {
            if (!Allows(kind, name, level))
            {
                Refuse();
            }
        }
    }

    /// <summary>Whether an entry of a list may be seen; when not, the answer says that something was left out.</summary>
    public bool Shows(ResourceKind kind, string name)
    {
        var allowed = Allows(kind, name, AccessLevel.Read);
        HasFiltered |= !allowed;
        return allowed;
    }

    /// <summary>Whether a service on a node may be seen in a list; it takes the right on both.</summary>
    public bool ShowsInstance(string node, string service) =>
        Shows(ResourceKind.Node, node) && Shows(ResourceKind.Service, service);

    /// <summary>Whether a check may be seen in a list: its node and, when it is one of a service, that too.</summary>
    public bool ShowsCheck(string node, string service) =>
        Shows(ResourceKind.Node, node) && (service.Length == 0 || Shows(ResourceKind.Service, service));

    [DoesNotReturn]
    public static void Refuse(string detail = "") => throw Denied(detail);

    public static RequestRefusedException Denied(string detail = "") => new(403, "Permission denied" + detail);
}
