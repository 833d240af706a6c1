namespace MeshClient.AspNetCore.Endpoints;

/// <summary>
/// Lets only these services call an endpoint: on a controller, an action, a gRPC service or method, a hub, or, by
/// <c>RequireMeshPeer</c>, on any endpoint or group. Intentions have to allow the call as well. Where several stand over one
/// endpoint, each has to allow it. Holds whether or not the app calls <c>UseAuthorization</c>, and whatever it allows anonymous
/// users.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = true)]
public sealed class MeshAllowAttribute : Attribute
{
    private readonly CallerList _list;

    /// <summary>Names who may call.</summary>
    /// <param name="callers">
    /// Names of services of this trust domain, compared with case, or whole SPIFFE ids, the only way to name one of another domain.
    /// None: any service of this trust domain. A text that is neither is an error at start, and lets nobody in until then.
    /// </param>
    public MeshAllowAttribute(params string[] callers)
    {
        ArgumentNullException.ThrowIfNull(callers);
        _list = new CallerList(callers);
    }

    /// <param name="callers">Names who may call.</param>
    /// <param name="isAlwaysInForce">See <see cref="IsAlwaysInForce"/>.</param>
    internal MeshAllowAttribute(IEnumerable<string> callers, bool isAlwaysInForce)
    {
        _list = new CallerList(callers);
        IsAlwaysInForce = isAlwaysInForce;
    }

    /// <summary>Who may call; empty: any service of this trust domain.</summary>
    public IReadOnlyList<string> Callers => _list.Names;

    /// <summary>The same, ready to be compared.</summary>
    internal CallerList List => _list;

    /// <summary>Whether it holds in shadow mode too: it is of ours, and nobody has to try it.</summary>
    internal bool IsAlwaysInForce { get; }
}
