using MeshClient.AspNetCore.Endpoints;
using MeshClient.AspNetCore.Peers;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace MeshClient.AspNetCore.Authorization;

/// <summary>
/// The requirement of an authorization policy that the caller is one of these services of the mesh, whoever its user is. Met only
/// by the peer that the TLS handshake has proved, never by claims. Put it into a policy by <c>RequireMeshPeer</c>.
/// </summary>
public sealed class MeshPeerRequirement : IAuthorizationRequirement
{
    private readonly CallerList _callers;

    /// <summary>Names who may call.</summary>
    /// <param name="callers">
    /// Names of services of this trust domain, compared with case, or whole SPIFFE ids. None: any service of this trust domain.
    /// </param>
    /// <exception cref="ArgumentException">A caller is neither a service name nor a SPIFFE id.</exception>
    public MeshPeerRequirement(params string[] callers)
    {
        ArgumentNullException.ThrowIfNull(callers);
        _callers = new CallerList(callers);
        CallerList.ThrowIfUnreadable(_callers, nameof(callers));
    }

    /// <summary>Who may call; empty: any service of this trust domain.</summary>
    public IReadOnlyList<string> Callers => _callers.Names;

    /// <inheritdoc/>
    public override string ToString() =>
        Callers.Count == 0 ? "The caller has to be a service of the mesh." : $"The caller has to be one of: {string.Join(", ", Callers)}.";

    /// <summary>Whether a peer meets it.</summary>
    internal bool IsMetBy(MeshPeer? peer) => _callers.Allows(peer);
}

/// <summary>Finds the peer of what a policy is asked about.</summary>
internal sealed class MeshPeerRequirementHandler(IHttpContextAccessor? accessor = null) : AuthorizationHandler<MeshPeerRequirement>
{
    protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, MeshPeerRequirement requirement)
    {
        // Where the app asks about a thing of its own, there is only the user to tell, or what keeps the request for it.
        var peer = (context.Resource as HttpContext ?? accessor?.HttpContext)?.Features.Get<MeshPeer>()
            ?? context.User.Identities.OfType<MeshPeerIdentity>().FirstOrDefault()?.Peer;
        if (requirement.IsMetBy(peer))
        {
            context.Succeed(requirement);
        }

        return Task.CompletedTask;
    }
}
