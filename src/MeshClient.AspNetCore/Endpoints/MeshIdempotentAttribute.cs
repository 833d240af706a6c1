namespace MeshClient.AspNetCore.Endpoints;

/// <summary>
/// Marks an endpoint as idempotent (RFC 9110, section 9.2.2): executing a request to it twice, even at two instances at the same time,
/// does no more than executing it once. On a controller, an action, a gRPC service or method, or, by <c>AsIdempotent()</c>, on any
/// endpoint or group. The service tells the registry, and callers that use MeshClient then repeat such a call at another instance when
/// it failed, and hedge it, as they do with GET.
/// </summary>
/// <remarks>
/// What stands nearest counts: an action can take back what its controller says. <c>AsIdempotent()</c> overrides no
/// <c>[MeshIdempotent(false)]</c>. Of a gRPC method that has none, the option <c>idempotency_level</c> counts (<c>IDEMPOTENT</c> or <c>NO_SIDE_EFFECTS</c>), where it can be found in the service's descriptor.
/// GET, HEAD, OPTIONS, TRACE, PUT and DELETE need no mark, and none keeps them from being repeated.
/// A caller goes by method and path. So an endpoint is not told of, and a warning says so at start, whose route says more than these
/// can (a constraint other than <c>int</c>, <c>long</c>, <c>guid</c>, <c>alpha</c> and <c>bool</c>, a host), or where another endpoint without the mark could
/// get the same request. An app whose own middleware rewrites paths or methods, or branches off with a routing of its own, should not mark
/// what such a request could lead away from.
/// </remarks>
/// <param name="isIdempotent">False: it is not, whatever stands further out. Default: true.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class MeshIdempotentAttribute(bool isIdempotent = true) : Attribute
{
    /// <summary>Whether requests to the endpoint may be executed twice.</summary>
    public bool IsIdempotent { get; } = isIdempotent;
}
