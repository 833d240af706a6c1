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
}
