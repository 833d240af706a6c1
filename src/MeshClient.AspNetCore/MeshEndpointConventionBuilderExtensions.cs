using MeshClient.AspNetCore.Endpoints;

namespace Microsoft.AspNetCore.Builder;

/// <summary>What an endpoint says about the mesh.</summary>
public static class MeshEndpointConventionBuilderExtensions
{
    /// <summary>
    /// Lets the endpoint be called without a mesh identity, over any listener of the app: for health probes, and for the
    /// public face of a service that browsers call. Calls over the mesh listener are still decided by intentions.
    /// </summary>
    /// <param name="builder">The endpoint or endpoints.</param>
    public static TBuilder AllowWithoutMesh<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Add(endpoint => endpoint.Metadata.Add(AllowWithoutMeshMetadata.Instance));
        return builder;
    }

    /// <summary>
    /// Lets only these services call the endpoint or endpoints, over the mesh; the same as <see cref="MeshAllowAttribute"/>.
    /// Intentions have to allow the call as well, and each of several such rules.
    /// </summary>
    /// <param name="builder">The endpoint or endpoints.</param>
    /// <param name="callers">
    /// Names of services of this trust domain, compared with case, or whole SPIFFE ids. None: any service of this trust domain.
    /// </param>
    /// <exception cref="ArgumentException">A caller is neither a service name nor a SPIFFE id.</exception>
    public static TBuilder RequireMeshPeer<TBuilder>(this TBuilder builder, params string[] callers)
        where TBuilder : IEndpointConventionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        var rule = new MeshAllowAttribute(callers);
        CallerList.ThrowIfUnreadable(rule.List, nameof(callers));
        builder.Add(endpoint => endpoint.Metadata.Add(rule));
        return builder;
    }

    /// <summary>
    /// Marks the endpoint or endpoints as idempotent, so that callers in the mesh repeat a call that failed at another instance, as they
    /// do with GET; the same as <see cref="MeshIdempotentAttribute"/>, where it is said what that means. One endpoint of a group can be
    /// excepted by <c>WithMetadata(new MeshIdempotentAttribute(false))</c>, an action or a gRPC method by <c>[MeshIdempotent(false)]</c>.
    /// Nothing is marked of which it was said before, by the endpoint itself or by a group, that it is not idempotent.
    /// </summary>
    /// <param name="builder">The endpoint or endpoints.</param>
    public static TBuilder AsIdempotent<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Add(endpoint =>
        {
            // What attributes say of an action or a gRPC method stands before what is said here of all at once.
            if (endpoint.Metadata.OfType<MeshIdempotentAttribute>().All(mark => mark.IsIdempotent))
            {
                endpoint.Metadata.Add(new MeshIdempotentAttribute());
            }
        });
        return builder;
    }
}
