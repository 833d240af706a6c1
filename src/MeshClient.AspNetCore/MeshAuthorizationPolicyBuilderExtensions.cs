using MeshClient.AspNetCore.Authorization;

namespace Microsoft.AspNetCore.Authorization;

/// <summary>What an authorization policy says about the mesh.</summary>
public static class MeshAuthorizationPolicyBuilderExtensions
{
    /// <summary>
    /// Demands that the caller is one of these services of the mesh, beside whatever the policy says about the user. As with all
    /// policies, <c>UseAuthorization</c> asks for it; without it, ASP.NET refuses to serve the endpoint. Always in force, also in
    /// shadow mode.
    /// </summary>
    /// <param name="builder">The policy.</param>
    /// <param name="callers">
    /// Names of services of this trust domain, compared with case, or whole SPIFFE ids. None: any service of this trust domain.
    /// </param>
    /// <exception cref="ArgumentException">A caller is neither a service name nor a SPIFFE id.</exception>
    public static AuthorizationPolicyBuilder RequireMeshPeer(this AuthorizationPolicyBuilder builder, params string[] callers)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddRequirements(new MeshPeerRequirement(callers));
    }
}
