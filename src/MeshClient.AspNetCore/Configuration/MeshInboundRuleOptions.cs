namespace MeshClient.AspNetCore.Configuration;

/// <summary>Who may call an endpoint, beside what intentions say. Names either an endpoint or a route.</summary>
public sealed class MeshInboundRuleOptions
{
    /// <summary>The name of an endpoint, as given by <c>WithName</c>; compared with case. Null: <see cref="Route"/> is set.</summary>
    public string? Endpoint { get; set; }

    /// <summary>
    /// The pattern of a route as the app maps it, such as <c>/orders/{id}</c>: compared as text, without case, slashes at the ends
    /// do not count. With <c>/**</c> at its end, all routes whose patterns begin with what stands before it. What no endpoint serves,
    /// such as a static file, has no route. Null: <see cref="Endpoint"/> is set.
    /// </summary>
    public string? Route { get; set; }

    /// <summary>Who may call: service names of this trust domain, or SPIFFE ids. One at least.</summary>
    public IList<string> Callers { get; set; } = [];
}
